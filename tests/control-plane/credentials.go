package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// The users in the token file of the API server. Each controller has the name of its service account in a cluster, and
// the shared caches have that of kube-controller-manager. The roles that kube-apiserver creates at start-up are bound to
// these names, so the controllers have their real permissions, and the audit log identifies their requests.
const (
	adminUser            = "admin"
	informersUser        = "system:kube-controller-manager"
	garbageCollectorUser = "system:serviceaccount:kube-system:generic-garbage-collector"
	namespaceUser        = "system:serviceaccount:kube-system:namespace-controller"
	serviceAccountUser   = "system:serviceaccount:kube-system:service-account-controller"
)

// credentials builds the client configuration of each user.
type credentials struct {
	server string
	caPEM  []byte
	tokens map[string]string // by user
}

// newCredentials generates a token for each user and writes the tokens to tokenFile for the API server.
func newCredentials(server string, caPEM []byte, tokenFile string) (*credentials, error) {
	const serviceAccountGroups = "system:serviceaccounts,system:serviceaccounts:kube-system"
	c := &credentials{server: server, caPEM: caPEM, tokens: map[string]string{}}
	var lines strings.Builder
	for _, user := range []struct{ name, groups string }{
		{adminUser, "system:masters"},
		{informersUser, ""},
		{garbageCollectorUser, serviceAccountGroups},
		{namespaceUser, serviceAccountGroups},
		{serviceAccountUser, serviceAccountGroups},
	} {
		token := rand.Text()
		c.tokens[user.name] = token
		fmt.Fprintf(&lines, "%s,%s,%s,\"%s\"\n", token, user.name, user.name, user.groups)
	}
	return c, os.WriteFile(tokenFile, []byte(lines.String()), 0o600)
}

// config returns the client configuration of user, without a rate limit.
func (c *credentials) config(user string) *rest.Config {
	return &rest.Config{
		Host:            c.server,
		BearerToken:     c.tokens[user],
		TLSClientConfig: rest.TLSClientConfig{CAData: c.caPEM},
		QPS:             -1,
	}
}

// writeKubeconfig writes the administrator's kubeconfig.
func (c *credentials) writeKubeconfig(file string) error {
	const name = "control-plane"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: c.server, CertificateAuthorityData: c.caPEM}
	config.AuthInfos[adminUser] = &clientcmdapi.AuthInfo{Token: c.tokens[adminUser]}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: adminUser}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, file) // creates it with mode 0600
}
