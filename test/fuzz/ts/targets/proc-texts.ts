import { readCgroupStats } from "../../../../agent/container/cgroup/cgroup-stats.ts";
import { parseNetworkCounters } from "../../../../agent/container/cgroup/network-counters.ts";
import { withHome } from "../../../../agent/container/process/home.ts";
import { isEnding } from "../../../../agent/container/process/is-ending.ts";
import { hasNoHandler } from "../../../../agent/container/process/signal-handlers.ts";
import { freeMemory } from "../../../../agent/guest/mem-agent/choose-compaction.ts";
import { parseLruGen } from "../../../../agent/guest/mem-agent/lru-gen.ts";
import { stalledMicros } from "../../../../agent/guest/mem-agent/pressure.ts";
import { AgentError } from "../../../../agent/kernel/error.ts";
import { realFiles } from "../../../../agent/kernel/files.ts";
import { agentProcess } from "../../../../agent/metrics/agent-process.ts";
import { formatMetrics } from "../../../../agent/metrics/format-metrics.ts";
import { guestCpu } from "../../../../agent/metrics/guest-cpu.ts";
import { guestDiskstat } from "../../../../agent/metrics/guest-diskstat.ts";
import { GuestFilesystems } from "../../../../agent/metrics/guest-filesystem.ts";
import { guestLoad } from "../../../../agent/metrics/guest-load.ts";
import { guestMeminfo } from "../../../../agent/metrics/guest-meminfo.ts";
import { guestNetdev } from "../../../../agent/metrics/guest-netdev.ts";
import { guestVmstat } from "../../../../agent/metrics/guest-vmstat.ts";
import { statsMessage } from "../../../../agent/service/stats-message.ts";
import { listMounts } from "../../../../agent/storage/mounts.ts";
import { agentService } from "../../../../proto/gen/services.js";
import { type FuzzTarget, promise, refuses } from "../target.ts";

const ROOM = { total: 1, free: 1, available: 1, files: 1, filesFree: 1 };

/** Uses the input as the text of every file of /proc, of /sys/fs/cgroup, and of /etc/passwd. */
export const procTexts: FuzzTarget = {
  name: "proc-texts",
  promise:
    "files that containers can write to or name are read as numbers or skipped, and metrics stay valid lines of Prometheus",
  seeds: () => [
    "42 (a) S) b) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 100 1000 10 18446744073709551615\n",
    "/dev/vda / ext4 rw,relatime 0 0\ntmpfs /run/a\\040b tmpfs rw 0 0\noverlay /o overlay rw,lowerdir=/a 0 0\n",
    "Inter-| Receive\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n eth0:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
    "cpu 1 2 3\nusage_usec 1\nuser_usec 2\nnr_periods 1\nlow 0\nmax 3\noom_kill 1\n8:0 rbytes=1 wbytes=2 rios=3\n",
    "MemTotal: 1000 kB\nSigBlk:\t0000000000004000\nVmRSS:\t 5 kB\nsome avg10=0.00 avg60=0.00 avg300=0.00 total=5\n",
    "memcg     1 /a\n node     0\n          0       1000          5x          6 \n          1       1000          5          6 \n",
    "root:x:0:0:root:/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n",
    "Free pages count per migrate type at order 0 1 2\nNode    0, zone   Normal, type    Unmovable      1      2      3\n",
    "   8       0 vda 1 2 3 4 5 6 7 8 9 10 11\n0.50 0.40 0.30 1/100 42\n",
  ],
  words: [
    "\\040",
    "\\134",
    "ext4",
    "overlay",
    "rw",
    '"',
    "\\",
    "\n",
    " (",
    ") ",
    "max",
    "nr_periods ",
    "__proto__ 1",
    "memcg ",
    " node ",
    "total=",
  ],
  async run(input) {
    const text = input.toString("utf8");
    const read = () => text;
    const families = [agentProcess, guestCpu, guestDiskstat, guestLoad, guestMeminfo, guestNetdev, guestVmstat].flatMap(
      (family) => family(read, 1),
    );
    const filesystems = await new GuestFilesystems(async () => ROOM).families(read);
    for (const line of formatMetrics([...families, ...filesystems]).split("\n"))
      promise(LINE.test(line), `a line of metrics is valid: ${JSON.stringify(line.slice(0, 200))}`);
    const stats = readCgroupStats(read, "/c", ["2MB"]);
    const { request: _, response } = agentService.StatsContainer;
    response.decode(response.encode(statsMessage(stats, parseNetworkCounters(text))));
    promise(
      listMounts({ readText: read }).every(({ mountPoint }) => typeof mountPoint === "string"),
      "mounts",
    );
    const files = { ...realFiles, readText: read };
    hasNoHandler(files, 1, 15);
    isEnding(files, 1);
    for (const one of parseLruGen(text))
      promise(
        one.generations.every(({ seq, anon }) => Number.isFinite(seq) && anon >= 0),
        "generations",
      );
    freeMemory(text, text, 3);
    const env = await withHome(["A=b"], 1000, async () => text);
    promise(env.filter((one) => one.startsWith("HOME=/")).length === 1, "HOME is set once");
    try {
      stalledMicros("/p", text);
    } catch (error) {
      refuses(error, AgentError);
    }
  },
};

const LINE =
  /^(?:|# (?:HELP|TYPE) [a-z_]+ .*|[a-z_][a-z0-9_]*(?:\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? (?:-?[0-9.]+(?:e[+-]?[0-9]+)?|NaN|[+-]?Inf(?:inity)?))$/;
