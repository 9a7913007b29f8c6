import type { HourStep } from "../step.ts";

const READY = "guestctl ports web --wait 80 --timeout 120 >ports";

export const NGINX: readonly HourStep[] = [
  {
    name: "`guestctl run -d --network user -p 18080:80 nginx.tar`",
    shows: "curl gets the page through a published port",
    script: `sudo apt-get -q install --yes --no-install-recommends curl >log 2>&1
guestctl run -d --name web --network user -p 18080:80 images/nginx.tar
${READY}
curl -sS http://127.0.0.1:18080/ | grep '<h1>'`,
    prints: "web\n<h1>Welcome to nginx!</h1>\n",
  },
  {
    name: "`guestctl cp index.html web:…`",
    shows: "the next request gets the changed page, with its mode",
    script: `echo '<h1>An hour</h1>' >index.html
guestctl cp -q index.html web:/var/www/html/index.html
curl -sS -o got -w '%{http_code} %{content_type}\\n' http://127.0.0.1:18080/
cmp got index.html`,
    prints: "200 text/html\n",
  },
  {
    name: "`guestctl forward web 18081:80`",
    shows: "a page of 20 MB, the same on both sides",
    script: `head -c 20000000 /dev/urandom >large
guestctl cp -q large web:/var/www/html/
guestctl forward web 18081:80 >forward &
for n in $(seq 100); do grep -q '^127.0.0.1:18081 ->' forward && break; sleep 0.2; done
curl -sS http://127.0.0.1:18081/large | cmp - large && echo same`,
    prints: "same\n",
  },
  {
    name: "`guestctl logs web`",
    shows: "the access log, which the image links to /dev/stdout",
    script: `curl -sS -o got http://127.0.0.1:18080/nothing
guestctl logs web | cut -d '"' -f 2,3 | sed 's/ *$//'`,
    prints: `GET / HTTP/1.1" 200 615\nGET / HTTP/1.1" 200 17\nGET /large HTTP/1.1" 200 20000000\nGET /nothing HTTP/1.1" 404 153\n`,
  },
  {
    name: "`guestctl stop web`, `inspect`, `rm`",
    shows: "the image's signal ends it, with 0",
    script: `guestctl stop web
guestctl inspect --format '{{.State.Status}} {{.State.ExitCode}}' web
guestctl rm web
guestctl ps -aq`,
    prints: "web\nexited 0\nweb\n",
  },
];
