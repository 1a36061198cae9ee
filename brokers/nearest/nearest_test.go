package nearest

import "testing"

func TestName(t *testing.T) {
	brokers := []string{"rabbitmq", "redis", "memory", "sqlite"}
	for _, c := range []struct {
		got, want string
	}{
		{"rabitmq", "rabbitmq"},
		{"rabbitqm", "rabbitmq"},
		{"Reddis", "redis"},
		{"sqllite", "sqlite"},
		{"mem", "memory"},
		{"rabbit", "rabbitmq"},
		{"kafka", ""},
		{"", ""},
		{"re", ""},
		{"redis", "redis"},
	} {
		if got := Name(c.got, brokers); got != c.want {
			t.Errorf("Name(%q) = %q, want %q", c.got, got, c.want)
		}
	}
}

func TestNameOfNothingKnown(t *testing.T) {
	if got := Name("redis", nil); got != "" {
		t.Errorf("Name among no names = %q, want none", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"kitten", "sitting", 3},
		{"ab", "ba", 1},
		{"größe", "große", 1},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if forth, back := distance(c.a, c.b), distance(c.b, c.a); forth != back {
			t.Errorf("distance of %q and %q is %d one way and %d the other", c.a, c.b, forth, back)
		}
	}
}
