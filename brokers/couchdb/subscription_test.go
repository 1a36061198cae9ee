package couchdb

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What is being given back counts as held until the server has answered: a settling that ends meanwhile must not take it
// that nothing is left, and have the holder leave, whose lease is what keeps others away from it.
func TestNobodyRetiresTooEarly(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/_bulk_docs") {
			close(asked)
			<-answer
		}
		fake{}.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	b, err := openAt(t, s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	l := b.(*broker).link
	h := &holder{link: l, index: newIndex(l.clock, func() {}), lost: make(chan struct{}), subs: map[*subscription]struct{}{}}
	sub := newSubscription(b.(*broker), h, []string{"q"}, 1)
	h.subs[sub] = struct{}{}
	close(sub.idle)
	sub.inbox, sub.holds[1] = []uint64{1}, document{ID: of("q") + "1", Rev: "1-a", Holder: "me"}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sub.End(nil)
	}()
	<-asked
	sub.checkSpent() // as whoever settles another message does
	if sub.mu.Lock(); sub.spent || len(sub.holds) != 1 {
		t.Errorf("spent: %v, and %d messages are held, while one is being given back", sub.spent, len(sub.holds))
	}
	sub.mu.Unlock()
	close(answer)
	<-ended
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if !sub.spent || len(sub.holds) != 0 {
		t.Errorf("spent: %v, and %d messages are held, after all were given back", sub.spent, len(sub.holds))
	}
}
