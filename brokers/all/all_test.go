package all

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
)

// drives tells whether the package in a folder declares a variable named Driver.
func drives(t *testing.T, dir string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.VAR && declares(g, "Driver") {
				return true
			}
		}
	}
	return false
}

func declares(g *ast.GenDecl, name string) bool {
	for _, spec := range g.Specs {
		for _, id := range spec.(*ast.ValueSpec).Names {
			if id.Name == name {
				return true
			}
		}
	}
	return false
}

func TestEveryFolderWithADriverIsListed(t *testing.T) {
	listed := make(map[string]bool)
	for _, d := range Drivers() {
		if listed[d.Name] {
			t.Errorf("broker %s is listed twice", d.Name)
		}
		listed[d.Name] = true
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, e := range entries {
		if !e.IsDir() || !drives(t, filepath.Join("..", e.Name())) {
			continue
		}
		found++
		if !listed[e.Name()] {
			t.Errorf("brokers/%s has a Driver that is not in Drivers, or has another name than its folder", e.Name())
		}
	}
	if found != len(listed) {
		t.Errorf("%d brokers are listed, and %d folders have a Driver", len(listed), found)
	}
}

func TestEveryDriverIsWhole(t *testing.T) {
	for _, d := range Drivers() {
		if len(d.Variants) == 0 || d.Open == nil || d.Server.URL == nil || d.Server.Ready == nil || d.Server.Product == "" {
			t.Errorf("driver %s lacks variants, Open, or a part of its server's description", d.Name)
		}
		names := make(map[string]bool)
		for _, v := range d.Variants {
			if v.Name == "" || v.Doc == "" || v.Durability == "" || names[v.Name] {
				t.Errorf("variant %s:%s lacks a description, or a name of its own", d.Name, v.Name)
			}
			names[v.Name] = true
		}
	}
}

func TestFind(t *testing.T) {
	for _, d := range Drivers() {
		for _, v := range d.Variants {
			if gotD, gotV, err := Find(d.Name + ":" + v.Name); err != nil || gotD.Name != d.Name || gotV.Name != v.Name {
				t.Errorf("Find(%s:%s) = %s:%s, %v", d.Name, v.Name, gotD.Name, gotV.Name, err)
			}
		}
		if _, v, err := Find(d.Name); err != nil || v.Name != d.Variants[0].Name {
			t.Errorf("Find(%s) gives variant %s, %v; want the first", d.Name, v.Name, err)
		}
	}
}

func TestFindSuggests(t *testing.T) {
	for name, want := range map[string]string{
		"memry":          `there is no broker "memry": did you mean memory?`,
		"memory:defualt": `broker memory has no variant "defualt": did you mean default?`,
		"memory:xyz":     `broker memory has no variant "xyz": there is default`,
	} {
		if _, _, err := Find(name); err == nil || err.Error() != want {
			t.Errorf("Find(%s): %v, want %s", name, err, want)
		}
	}
	if _, _, err := Find("kafka"); err == nil || !strings.Contains(err.Error(), "there is ") || !strings.Contains(err.Error(), "memory") {
		t.Errorf("Find(kafka): %v, want the list of what there is", err)
	}
}

// A URL that a driver cannot use is often one whose password has a character that should have been encoded.
func TestBadURLsAreNotShown(t *testing.T) {
	const secret = "s3cret"
	for _, d := range Drivers() {
		scheme, _, _ := strings.Cut(d.Server.URL("127.0.0.1:1"), ":")
		for _, url := range []string{
			scheme + "://user:" + secret + "@127.0.0.1:port/0",
			scheme + "://user:" + secret + "%@127.0.0.1:1/0",
			scheme + "://user:" + secret + "/@127.0.0.1:1/0",
			scheme + "://user:" + secret + "@127.0.0.1:1/\x7f",
			scheme + "://127.0.0.1:1/" + secret + "@127.0.0.1:1/0",
			scheme + "://127.0.0.1:99999999999/" + secret + "@127.0.0.1:1/0",
			"none://user:" + secret + "@127.0.0.1:1/0",
			secret + "@127.0.0.1:1",
			"://" + secret,
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_, openErr := d.Open(ctx, url, d.Variants[0])
			_, readyErr := d.Server.Ready(ctx, url)
			cancel()
			for what, err := range map[string]error{"Open": openErr, "Ready": readyErr} {
				if !brokers.Definite(err) || strings.Contains(err.Error(), secret) {
					t.Errorf("%s: %s of %q: %v, want a Definite error without the password", d.Name, what, url, err)
				}
				if strings.HasPrefix(url, "none:") && what == "Open" && !errors.Is(err, brokers.ErrURL) {
					t.Errorf("%s: %v, want ErrURL", d.Name, err)
				}
			}
		}
	}
}

// Neither a host that nobody knows nor one where nobody listens has a driver tell the password of its URL, however its error
// is printed.
func TestWrongHostsShowNoPassword(t *testing.T) {
	const secret, encoded = "s3cr%t", "s3cr%25t"
	for _, d := range Drivers() {
		if d.Server.Library {
			continue
		}
		for _, host := range []string{"nobody.invalid:1", "127.0.0.1:1", "[::1]:1"} {
			t.Run(d.Name+" at "+host, func(t *testing.T) {
				t.Parallel()
				url := strings.Replace(d.Server.URL(host), "://", "://user:"+encoded+"@", 1)
				if before, after, has := strings.Cut(d.Server.URL(host), "@"); has { // a user of the driver's own
					scheme, _, _ := strings.Cut(before, "://")
					url = scheme + "://user:" + encoded + "@" + after
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				for _, v := range d.Variants {
					_, openErr := d.Open(ctx, url, v)
					_, readyErr := d.Server.Ready(ctx, url)
					for what, err := range map[string]error{"Open " + v.Name: openErr, "Ready": readyErr} {
						if text := fmt.Sprintf("%v %+v %#v %q", err, err, err, err); !brokers.Definite(err) || strings.Contains(text, secret[:4]) {
							t.Errorf("%s: %v, want a Definite error without the password", what, err)
						}
					}
				}
			})
		}
	}
}
