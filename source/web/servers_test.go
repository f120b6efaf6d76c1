package web_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/source/web"
)

// server is a real web server in one of its ways to list.
type server struct {
	name  string
	start func(t testing.TB, root string) (url string)
	cfg   web.Config
	exact bool // size and time are listed
	sizes bool // sizes are listed
	one   bool // stands for all of its make where time is short
}

func servers() []server {
	return []server{
		{name: "nginx html", start: nginx("autoindex_format html;"), sizes: true},
		{name: "nginx html rounded", start: nginx("autoindex_format html; autoindex_exact_size off; autoindex_localtime on;")},
		{name: "nginx json", start: nginx("autoindex_format json;"), exact: true, one: true},
		{name: "nginx xml", start: nginx("autoindex_format xml;"), exact: true},
		{name: "apache plain", start: apache("IndexOptions None")},
		{name: "apache pre", start: apache("IndexOptions FancyIndexing IconsAreLinks\nAddIcon /icons/x.gif .json")},
		{name: "apache table", start: apache("IndexOptions FancyIndexing HTMLTable IconsAreLinks\nAddIcon /icons/x.gif .json"), one: true},
		{name: "apache xhtml", start: apache("IndexOptions FancyIndexing HTMLTable XHTML Charset=UTF-8 NameWidth=*")},
		{name: "caddy json", start: caddy, exact: true, one: true},
		{name: "caddy html", start: caddy, cfg: web.Config{Format: web.FormatHTML}},
		{name: "python", start: python, one: true},
	}
}

// each runs a test on each server, over a folder of its own; where it is to be
// brief, on one of each make.
func each(t *testing.T, test func(t *testing.T, s server, url, root string)) {
	t.Helper()
	on(t, func(s server) bool { return s.one || !testtool.Brief() }, test)
}

// on is each for some servers.
func on(t *testing.T, chosen func(server) bool, test func(t *testing.T, s server, url, root string)) {
	t.Helper()
	for _, s := range servers() {
		if !chosen(s) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			root := folder(t)
			test(t, s, s.start(t, root), root)
		})
	}
}

func configure(t testing.TB, name, content string) (dir, file string) {
	t.Helper()
	dir = folder(t)
	file = filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(file, []byte(content), 0o644))
	return dir, file
}

func nginx(settings string) func(testing.TB, string) string {
	return func(t testing.TB, root string) string {
		t.Helper()
		program, addr := testtool.Find(t, "nginx"), testtool.Addr(t)
		user := ""
		if os.Getuid() == 0 {
			user = "user root;"
		}
		dir := folder(t)
		_, conf := configure(t, "nginx.conf", fmt.Sprintf(`
			%s daemon off; worker_processes 1; pid %[2]s/pid; error_log stderr;
			events { worker_connections 512; }
			http {
				access_log off; keepalive_requests 100000;
				client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/fastcgi;
				uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
				server { listen %[3]s; root %[4]s; autoindex on; %[5]s }
			}`, user, dir, addr, root, settings))
		testtool.Start(t, exec.Command(program, "-p", dir, "-e", "stderr", "-c", conf), testtool.Listening(addr))
		return "http://" + addr + "/"
	}
}

func apache(options string) func(testing.TB, string) string {
	return func(t testing.TB, root string) string {
		t.Helper()
		program, addr := testtool.Find(t, "apache2"), testtool.Addr(t)
		modules := "/usr/lib/apache2/modules" // of Debian's package
		dir := folder(t)
		_, conf := configure(t, "apache.conf", fmt.Sprintf(`
			ServerRoot %[1]s
			PidFile %[1]s/pid
			Mutex file:%[1]s
			ServerName localhost
			ErrorLog %[1]s/log
			LoadModule mpm_event_module %[2]s/mod_mpm_event.so
			LoadModule authz_core_module %[2]s/mod_authz_core.so
			LoadModule autoindex_module %[2]s/mod_autoindex.so
			MaxRequestWorkers 50
			Listen %[3]s
			DocumentRoot %[4]s
			<Directory %[4]s>
				Options Indexes FollowSymLinks
				Require all granted
				IndexIgnoreReset ON
				%[5]s
			</Directory>
			`, dir, modules, addr, root, options))
		testtool.Start(t, exec.Command(program, "-d", dir, "-f", conf, "-DFOREGROUND"), testtool.Listening(addr))
		return "http://" + addr + "/"
	}
}

func caddy(t testing.TB, root string) string {
	t.Helper()
	program, addr := testtool.Find(t, "caddy"), testtool.Addr(t)
	dir, conf := configure(t, "Caddyfile", fmt.Sprintf(`
		{
			admin off
			auto_https off
		}
		http://%s {
			root * %s
			file_server browse
		}`, addr, root))
	cmd := exec.Command(program, "run", "--config", conf, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "HOME="+dir)
	testtool.Start(t, cmd, testtool.Listening(addr))
	return "http://" + addr + "/"
}

func python(t testing.TB, root string) string {
	t.Helper()
	program, addr := testtool.Find(t, "python3"), testtool.Addr(t)
	cmd := exec.Command(program, "-m", "http.server", "--bind", "127.0.0.1", addr[len("127.0.0.1:"):])
	cmd.Dir = root
	testtool.Start(t, cmd, testtool.Listening(addr))
	return "http://" + addr + "/"
}
