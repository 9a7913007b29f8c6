import type { HourStep } from "../step.ts";

const READY = "guestctl ports cache --wait 6379 --timeout 120 >ports";

export const REDIS: readonly HourStep[] = [
  {
    name: "`guestctl run -d --name cache redis.tar`",
    shows: "a server starts as the image's user",
    script: `guestctl run -d --name cache images/redis.tar
${READY}
cat ports
guestctl exec cache id -un`,
    prints: /^cache\nPROTOCOL +ADDRESS +PORT\ntcp +\S+ +6379\nredis\n$/,
  },
  {
    name: "`guestctl forward cache 16379:6379`",
    shows: "a client of this machine writes and reads",
    script: `guestctl forward cache 16379:6379 >forward &
for n in $(seq 100); do grep -q '^127.0.0.1:16379 ->' forward && break; sleep 0.2; done
exec 3<>/dev/tcp/127.0.0.1/16379
printf 'SET hour first\\r\\nGET hour\\r\\nQUIT\\r\\n' >&3
tr -d '\\r' <&3`,
    prints: "+OK\n$5\nfirst\n+OK\n",
  },
  {
    name: "`guestctl exec cache redis-benchmark`",
    shows: "2,000 requests of six kinds",
    script: `guestctl exec cache redis-benchmark -n 2000 -c 10 -t ping_mbulk,set,get,incr,lpush,lpop --csv | cut -d , -f 1`,
    prints: '"test"\n"PING_MBULK"\n"SET"\n"GET"\n"INCR"\n"LPUSH"\n"LPOP"\n',
  },
  {
    name: "`guestctl restart cache`",
    shows: "SIGTERM lets the server save, and the data is there again",
    script: `guestctl restart cache
${READY}
guestctl exec cache redis-cli get hour
guestctl rm -f cache`,
    prints: "cache\nfirst\ncache\n",
  },
];
