package testtool

import (
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
)

// DynamoDBLocal starts a DynamoDB Local for the rest of the test, which keeps
// everything in memory, and returns its address.
func DynamoDBLocal(t testing.TB) string {
	t.Helper()
	jar, java := Find(t, "dynamodb-local"), Find(t, "java")
	addr := Addr(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), java, "-Xmx768m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-Djava.library.path="+filepath.Join(filepath.Dir(jar), "DynamoDBLocal_lib"),
		"-jar", jar, "-inMemory", "-sharedDb", "-disableTelemetry", "-port", port)
	cmd.Dir = t.TempDir() // it leaves a file behind
	Start(t, cmd, Listening(addr))
	return addr
}
