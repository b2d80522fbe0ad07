package kafka

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"tributary/internal/tools"
)

//go:embed pom.xml
var pom []byte

// ErrMissingTool says that Java or Maven is not installed; the error that wraps it names the mend.
var ErrMissingTool = errors.New("a tool that real Kafka needs is missing")

// Version is the version of Kafka that Fetch gets. pom.xml names the same.
const Version = "4.3.1"

// Fetch gives the folder with Kafka's jars; where they are missing it gets them by Maven, once
// however many processes ask.
func Fetch(ctx context.Context) (string, error) {
	if err := need("java", "openjdk-17-jre-headless"); err != nil {
		return "", err
	}
	return tools.Fetch(ctx, "kafka-"+Version, copyJars)
}

func copyJars(ctx context.Context, dir string) error {
	if err := need("mvn", "maven"); err != nil {
		return err
	}
	file := filepath.Join(dir, "pom.xml")
	if err := os.WriteFile(file, pom, 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", file, "dependency:copy-dependencies", "-Dkafka.version="+Version,
		"-DincludeScope=runtime", "-DoutputDirectory="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("copy Kafka %s by Maven: %w; look at its own words and try again\n%s", Version, err, out)
	}
	return nil
}

func need(tool, debian string) error {
	if _, err := exec.LookPath(tool); err != nil {
		return fmt.Errorf("%w: %s is not on the PATH; install it, on Debian: apt-get install %s", ErrMissingTool, tool, debian)
	}
	return nil
}
