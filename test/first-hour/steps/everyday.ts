import type { HourStep } from "../step.ts";

/** The commands that a user tries on a container that runs. */
export const EVERYDAY: readonly HourStep[] = [
  {
    name: "`guestctl run -d --name day`, `ps`",
    shows: "a container with a label, limits and a volume of memory",
    script: `guestctl run -d --name day --label why=hour --memory 200m --tmpfs /cache images/python.tar python3 -m http.server 80
guestctl ps --filter label=why=hour --format '{{.Container}} {{.State}}'`,
    prints: "day\nday running\n",
  },
  {
    name: "`guestctl exec -it day sh`, in a terminal",
    shows: "a shell with a terminal of this one's size, and its exit code",
    script: `status=0
printf 'stty size; tty; exit 5\\n' | script -qec 'stty rows 40 cols 90; guestctl exec -it day sh' /dev/null >typed || status=$?
tr -d '\\r' <typed | grep -o -e '40 90$' -e '/dev/pts/[0-9]*$'
echo $status`,
    prints: "40 90\n/dev/pts/0\n5\n",
  },
  {
    name: "`guestctl stats --json day`",
    shows: "its limit and its processes",
    script: `guestctl stats | head -n 1
guestctl stats --json day | tr -d ' \\n' | grep -o '"limit":"*209715200' | head -n 1`,
    prints: /^.*CPU.*\n"limit":"?209715200\n$/,
  },
  {
    name: "`guestctl top --once`",
    shows: "guest, container and process",
    script: "guestctl top --once | grep -o -e day -e 'python3 -m http.server' | sort -u",
    prints: "day\npython3 -m http.server\n",
  },
  {
    name: "`guestctl inspect day`",
    shows: "what was asked for",
    script: "guestctl inspect --format '{{.State.Status}} {{json .Args}} {{.Image}}' day",
    prints: /^running \["python3","-m","http.server","80"\] \S*python.tar\n$/,
  },
  {
    name: "`guestctl capture day -w day.pcap`",
    shows: "tcpdump reads the request",
    script: `sudo apt-get -q install --yes --no-install-recommends tcpdump openssh-client curl >log 2>&1
guestctl capture day tcp port 80 -w day.pcap 2>captured &
capture=$!
for n in $(seq 100); do [ -s day.pcap ] && break; sleep 0.2; done
guestctl exec day python3 -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1/etc/hostname").status)'
kill -INT $capture && wait $capture
tcpdump -nr day.pcap -A 2>/dev/null | grep -o 'GET /etc/hostname HTTP/1.1' | sort -u`,
    prints: "200\nGET /etc/hostname HTTP/1.1\n",
  },
  {
    name: "`ssh day`",
    shows: "real ssh and scp through guestctl ssh-proxy",
    script: `mkdir -p -m 700 ~/.ssh
guestctl ssh-proxy --config day >>~/.ssh/config
ssh day 'id -un; cat /proc/1/comm'
scp -q day:/etc/debian_version version
cat version`,
    prints: /^root\npython3\n12\.\d+\n$/,
  },
  {
    name: "`guestctl serve`",
    shows: "its link answers with the page",
    script: `guestctl serve --no-open --listen 14878 >served 2>&1 &
for n in $(seq 100); do grep -q http served && break; sleep 0.2; done
link=$(grep -o 'http://[^ ]*' served | head -n 1)
curl -sS -L -c jar "$link" | grep -o '<title>[^<]*'`,
    prints: /^<title>guestd.*\n$/,
  },
  {
    name: "`guestctl mcp --image python.tar`",
    shows: "a client lists the tools",
    script: `(printf '%s\\n' '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"hour","version":"1"}}}' '{"jsonrpc":"2.0","method":"notifications/initialized"}' '{"jsonrpc":"2.0","id":2,"method":"tools/list"}'; sleep 5) | guestctl mcp --image images/python.tar | grep -o '"name":"[a-z_]*"' | sort -u | head -n 3`,
    prints: /^("name":"\w+"\n){3}$/,
    warns: /^/,
  },
  {
    name: "`guestctl logs day`",
    shows: "stdout and stderr of the server",
    script: "guestctl logs day 2>&1 | grep -c 'GET /etc/hostname'",
    prints: "1\n",
  },
  {
    name: "`guestctl snapshot`, `run --template`",
    shows: "a guest is kept, and another starts from it",
    script: `guestctl snapshot $(guestctl ps --filter name=day --format '{{.Guest}}' | head -n 1) kept
guestctl boot -d --template kept --name again
guestctl exec -g again day cat /proc/1/comm
guestctl stop again`,
    prints: /python3\nagain\n$/,
    limit: 600,
  },
  {
    name: "`guestctl rm day`",
    shows: "the running container is ended and removed",
    script: "guestctl rm day\nguestctl ps --all --format '{{.Container}}'",
    prints: "day\n",
  },
  {
    name: "`guestctl system df`, `system prune`",
    shows: "disks of images are counted, and removed",
    script: `guestctl system df --format '{{.Type}}'
guestctl template rm kept
guestctl system prune -f | tail -n 1`,
    prints: /^Images\nContainers\n.*\nkept\n.*[0-9.]+ ?[kMG]i?B.*\n$/is,
  },
];

/** Leaves the machine as it was. */
export const REMOVAL: readonly HourStep[] = [
  {
    name: "`guestctl setup --remove`, `sudo apt-get purge guestd`",
    shows: "nothing of guestd is left",
    script: `guestctl setup --remove >log
sudo apt-get -q purge --yes guestd >>log 2>&1
ls -d ~/.cache/guestd /usr/lib/guestd /usr/bin/guestctl /tmp/guestd* /run/user/1000/* 2>/dev/null || true`,
    prints: "",
    warns: /^/,
  },
];
