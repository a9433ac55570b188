// Package accesstest is an OpenID Connect provider for tests: ory/fosite over
// HTTP. The hub never imports it.
package accesstest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"
	"golang.org/x/crypto/bcrypt"
)

// As whom the hub is registered at the provider.
const (
	ClientID     = "lianmu"
	ClientSecret = "a secret of the hub and its provider"
)

// Provider is an OpenID Connect provider: ory/fosite over HTTP, which decides
// about codes, PKCE, redirect addresses and client secrets, and signs. The test
// says only who signs in.
type Provider struct {
	*httptest.Server
	oauth fosite.OAuth2Provider
	Key   *rsa.PrivateKey // signs ID tokens
	Down  atomic.Bool     // it answers nothing but 503
	Asked atomic.Int32    // requests

	mu      sync.Mutex // guards the rest
	subject string
	claims  map[string]any
	// forge changes what the token endpoint answers, as somebody between would.
	forge func(answer map[string]any)
}

// New starts a provider that sends browsers back to redirectURL alone, and ends
// with the test. It signs in subject with these claims until Set says otherwise.
func New(t *testing.T, redirectURL, subject string, claims map[string]any) *Provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := bcrypt.GenerateFromPassword([]byte(ClientSecret), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{Key: key, subject: subject, claims: claims}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.Asked.Add(1); p.Down.Load() {
			http.Error(w, "something from within the provider", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	config := &fosite.Config{
		IDTokenIssuer: p.URL, GlobalSecret: []byte("32 bytes that only the test uses"),
		EnforcePKCE: true, EnablePKCEPlainChallengeMethod: false, SendDebugMessagesToClients: true,
	}
	store := storage.NewMemoryStore()
	store.Clients[ClientID] = &fosite.DefaultClient{
		ID: ClientID, Secret: secret, RedirectURIs: []string{redirectURL},
		GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"}, Scopes: []string{"openid"},
	}
	getKey := func(context.Context) (any, error) { return key, nil }
	p.oauth = compose.Compose(config, store, &compose.CommonStrategy{
		CoreStrategy:               compose.NewOAuth2HMACStrategy(config),
		OpenIDConnectTokenStrategy: compose.NewOpenIDConnectStrategy(getKey, config),
		Signer:                     &jwt.DefaultSigner{GetPrivateKey: getKey},
	}, compose.OAuth2AuthorizeExplicitFactory, compose.OpenIDConnectExplicitFactory, compose.OAuth2PKCEFactory)

	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /auth", p.authorise)
	mux.HandleFunc("POST /token", p.token)
	return p
}

// authorise signs in whoever the test says, at once.
func (p *Provider) authorise(w http.ResponseWriter, r *http.Request) {
	ar, err := p.oauth.NewAuthorizeRequest(r.Context(), r)
	if err != nil {
		p.oauth.WriteAuthorizeError(r.Context(), w, ar, err)
		return
	}
	for _, scope := range ar.GetRequestedScopes() {
		ar.GrantScope(scope)
	}
	p.mu.Lock()
	now := time.Now()
	session := &openid.DefaultSession{Subject: p.subject, Headers: &jwt.Headers{Extra: map[string]any{"kid": "1"}}, Claims: &jwt.IDTokenClaims{
		Issuer: p.URL, Subject: p.subject, IssuedAt: now, RequestedAt: now, AuthTime: now, ExpiresAt: now.Add(time.Hour), Extra: maps.Clone(p.claims),
	}}
	p.mu.Unlock()
	answer, err := p.oauth.NewAuthorizeResponse(r.Context(), ar, session)
	if err != nil {
		p.oauth.WriteAuthorizeError(r.Context(), w, ar, err)
		return
	}
	p.oauth.WriteAuthorizeResponse(r.Context(), w, ar, answer)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	ar, err := p.oauth.NewAccessRequest(r.Context(), r, openid.NewDefaultSession())
	if err != nil {
		p.oauth.WriteAccessError(r.Context(), w, ar, err)
		return
	}
	answer, err := p.oauth.NewAccessResponse(r.Context(), ar)
	if err != nil {
		p.oauth.WriteAccessError(r.Context(), w, ar, err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.forge == nil {
		p.oauth.WriteAccessResponse(r.Context(), w, ar, answer)
		return
	}
	m := answer.ToMap()
	p.forge(m)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(m)
}

// Set says who signs in next, and what becomes of the answer.
func (p *Provider) Set(subject string, claims map[string]any, forge func(map[string]any)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subject, p.claims, p.forge = subject, claims, forge
}
