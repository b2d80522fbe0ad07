package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// requestsPerCase is how many different requests a case has.
const requestsPerCase = 20_000

// documents is how many different documents the case of distinct documents has.
const documents = 1_000

// A servingCase is one kind of request to the gateway over the example's mesh.
type servingCase struct {
	name string
	aim  string
	// request gives request number i as it goes over the wire.
	request func(i int) string
	// check looks at the answer to request i.
	check func(s *shop, i int, body []byte) error
}

// servingCases are those of the peers' measurement, and by id over REST beside them.
func servingCases(products int) []servingCase {
	sku := func(i int) string { return fmt.Sprintf("SKU-%d", 100001+(i*7919)%products) }
	point := func(document func(i int) string) func(i int) string {
		return func(i int) string { return post(document(i), map[string]any{"sku": sku(i)}) }
	}
	const children = "variants(first: 3) { sku colour size ean } prices(first: 2) { market amount currency }"
	return []servingCase{
		{name: "by id", aim: "≥ 22,000", check: checkPoint(sku),
			request: point(func(int) string {
				return "query P($sku: String!) { product(sku: $sku) { sku price currency brand ean status stock listed } }"
			})},
		{name: "by id, REST", check: checkREST(sku),
			request: func(i int) string {
				return "GET /v1/products/" + sku(i) + " HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\n\r\n"
			}},
		{name: "20 products × (3 variants + 2 prices)", aim: "≥ 4,000", check: checkList(20, true),
			request: func(i int) string {
				return post(`query N($w: ProductWhere) { products(where: $w, first: 20) { nodes { sku price brand stock `+children+` } } }`,
					map[string]any{"w": map[string]any{"brand": map[string]any{"eq": brand(i)}, "price": map[string]any{"gt": fmt.Sprint(9 + i/24%150)}}})
			}},
		{name: "filter and page of 50", aim: "≥ 6,000", check: checkList(50, false),
			request: func(i int) string {
				low := 9 + i/24%200
				return post(`query F($w: ProductWhere) { products(where: $w, first: 50) { nodes { sku price brand stock } pageInfo { hasNextPage endCursor } } }`,
					map[string]any{"w": map[string]any{"brand": map[string]any{"eq": brand(i)}, "stock": map[string]any{"gt": 0},
						"price": map[string]any{"gte": fmt.Sprint(low), "lt": fmt.Sprint(low + 200)}}})
			}},
		{name: "1,000 distinct documents", aim: "≥ 9,000", check: checkPoint(sku),
			request: point(func(i int) string {
				return fmt.Sprintf("query D%d($sku: String!) { product(sku: $sku) { sku price a%d: brand stock %s } }", i%documents, i%documents, children)
			})},
		{name: "documents never repeated", aim: "≥ 5,000", check: checkPoint(sku),
			request: point(func(int) string {
				return "query U($sku: String!) { product(sku: $sku) { sku price a" + unique + ": brand stock " + children + " } }"
			})},
	}
}

// brand is one of the example's 24 brands.
func brand(i int) string {
	return strings.Split("Nordwind,Alpstein,Kestrel,Brisa,Fjellheim,Montana Sud,Tarn & Fell,Roc Blanc,Vela,Hochgrat,Lupino,Skarn,"+
		"Orso,Cairn,Sylvan,Marèe,Birkholm,Stella Alpina,Grivel Nord,Kaltwasser,Passo,Haldi,Tramonto,Weitsicht", ",")[i%24]
}

// post makes a GraphQL request.
func post(document string, variables map[string]any) string {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		panic(err) // maps of strings and numbers always have a JSON form
	}
	return fmt.Sprintf("POST /graphql HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// A productAnswer is what the cases ask of a product.
type productAnswer struct {
	SKU, Price, Brand string
	Stock             int
	Variants          []struct{ SKU string }
	Prices            []struct{ Market string }
}

// graphqlAnswer reads an answer without errors.
func graphqlAnswer(body []byte, into any) error {
	var got struct {
		Data   json.RawMessage
		Errors []struct{ Message string }
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return fmt.Errorf("%w: %.300s", err, body)
	}
	if len(got.Errors) > 0 {
		return fmt.Errorf("the gateway answers an error: %s", got.Errors[0].Message)
	}
	return json.Unmarshal(got.Data, into)
}

func checkPoint(sku func(int) string) func(*shop, int, []byte) error {
	return func(s *shop, i int, body []byte) error {
		var got struct{ Product *productAnswer }
		if err := graphqlAnswer(body, &got); err != nil {
			return err
		}
		return s.sameProduct(sku(i), got.Product)
	}
}

func checkREST(sku func(int) string) func(*shop, int, []byte) error {
	return func(s *shop, i int, body []byte) error {
		var got *productAnswer
		if err := json.Unmarshal(body, &got); err != nil {
			return fmt.Errorf("%w: %.300s", err, body)
		}
		if got.SKU == "" {
			got = nil // the body of a 404
		}
		return s.sameProduct(sku(i), got)
	}
}

// sameProduct compares a product with the ERP's row, which must be gone where there is none.
func (s *shop) sameProduct(sku string, got *productAnswer) error {
	want, live := s.prices[sku]
	switch {
	case !live && got == nil:
		return nil
	case !live || got == nil:
		return fmt.Errorf("%s: the gateway has it: %v, the ERP has it: %v", sku, got != nil, live)
	case got.SKU != sku || got.Price != want:
		return fmt.Errorf("%s has the id %s and the price %s, want %s", sku, got.SKU, got.Price, want)
	}
	return nil
}

func checkList(first int, children bool) func(*shop, int, []byte) error {
	return func(s *shop, i int, body []byte) error {
		var got struct {
			Products struct{ Nodes []*productAnswer }
		}
		if err := graphqlAnswer(body, &got); err != nil {
			return err
		}
		nodes := got.Products.Nodes
		if len(nodes) > first || len(nodes) == 0 || s.products > wholeCheck && len(nodes) < first {
			return fmt.Errorf("a page of %d products, want %d", len(nodes), first)
		}
		for _, node := range nodes {
			if err := s.sameProduct(node.SKU, node); err != nil {
				return err
			}
			if node.Brand != brand(i) {
				return fmt.Errorf("%s is of brand %s, want %s", node.SKU, node.Brand, brand(i))
			}
			if children && (len(node.Variants) != 3 || len(node.Prices) != 2) {
				return fmt.Errorf("%s has %d variants and %d prices", node.SKU, len(node.Variants), len(node.Prices))
			}
		}
		return nil
	}
}
