# Tributary as an image: one binary without cgo, run by an unprivileged account. The base has glibc
# because the binary can load the ClickHouse engine's library; nothing else of it is used.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/tributary ./cmd/tributary

FROM debian:12-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/tributary /usr/local/bin/tributary
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin tributary \
 && install -d -o tributary -g tributary /data
USER 10001
VOLUME /data
# gateway, registry, admin
EXPOSE 8080 8081 8082
# /readyz by bash alone: the image carries no client.
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=6 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tributary"]
CMD ["up", "-f", "/mesh", "--data", "/data", \
     "--gateway-addr", "0.0.0.0:8080", "--registry-addr", "0.0.0.0:8081", "--admin-addr", "0.0.0.0:8082"]
