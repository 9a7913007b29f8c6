import { expect, it, vi } from "vitest";
import { contractMetrics, metricShapes, parseMetrics } from "../../agent/metrics/testing/metric-shapes.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Our own metrics in order. Those of spans exist only if calls are traced. */
const OWN_METRICS = [
  ["guestd_event_loop_lag_seconds", "gauge"],
  ["guestd_heap_bytes", "gauge"],
  ["guestd_agent_restarts", "counter"],
  ["guestd_launches_total", "counter"],
  ["guestd_stream_bytes_total", "counter"],
  ["guestd_rpc_duration_seconds", "histogram"],
  ["guestd_rpc_errors_total", "counter"],
];

/** Scenarios of statistics, metrics and details. */
export function observationScenarios(pod: () => Pod): void {
  it("GetGuestDetails reports the guest's details", async () => {
    const details = await pod().client.agent.getGuestDetails({ mem_block_size: true, mem_hotplug_probe: true });
    expect(details.agent_details?.init_daemon).toBe(true);
    expect(details.agent_details?.storage_handlers).toEqual(
      expect.arrayContaining(["virtio-fs", "ephemeral", "local"]),
    );
    expect(details.agent_details?.supports_seccomp).toBe(true);
    const line = "cat /sys/devices/system/memory/block_size_bytes 2>/dev/null || echo 0";
    const size = Number.parseInt(await pod().machine.shell(line), 16);
    if (pod().machine.real) expect(size).toBeGreaterThan(0);
    expect(details.mem_block_size_bytes).toBe(size);
    expect((await pod().client.agent.getGuestDetails({})).mem_block_size_bytes).toBe(0);
  });

  it("the sandbox's dns is in the guest's resolv.conf", async () => {
    const file = await pod().machine.shell("cat /etc/resolv.conf; stat -c %a /etc/resolv.conf");
    expect(file, "readable by every user").toBe("nameserver 10.0.0.10\n644\n");
  });

  it("GetMetrics returns the contract's metrics, each with its type, labels and items, and our own", async () => {
    const { agent } = pod().client;
    const shell = (line: string) => pod().machine.shell(line);
    const place = "/run/observed"; // a guest's root is read-only, and read-only mounts aren't counted
    const [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map((name) => `${place}/${name}`);
    await shell(`mkdir -p ${lower} ${upper} ${work} ${merged}
mount -t overlay observed -o lowerdir=${lower},upperdir=${upper},workdir=${work} ${merged}`);
    await expect(agent.statsContainer({ container_id: "missing" })).rejects.toThrow("missing"); // an error to count
    await agent.getMetrics({}); // the lag is reported from the second scrape on
    // A scrape omits a file system that doesn't respond soon.
    const metrics = await vi.waitFor(async () => {
      const scrape = await agent.getMetrics({});
      expect(scrape.metrics).toContain(`mount="${merged}"`);
      return scrape.metrics;
    }, 50_000);
    const blocks = (await shell(`stat -f -c '%b %S' ${merged}; umount ${merged}; rm -r ${place}`))
      .split(" ")
      .map(Number);
    const all = contractMetrics(await shell("cat /proc/vmstat"));
    // A machine of namespaces may have no disk.
    const { kata_guest_diskstat: disks, ...others } = all;
    const noDisks = (await shell("cat /proc/diskstats")) === "" && !pod().machine.real;
    expect(metricShapes(metrics, "kata_")).toEqual(noDisks ? others : { ...others, kata_guest_diskstat: disks });
    const own = Array.from(metrics.matchAll(/^# TYPE (guestd_\w+) (\w+)\n\1/gm), ([, name, type]) => [name, type]);
    expect(own).toEqual(OWN_METRICS);
    const series = parseMetrics(metrics);
    const total = series.get(`kata_guest_filesystem_bytes{mount="${merged}",device="observed",item="total"}`);
    expect(total).toBe(blocks.reduce((count, size) => count * size));
    const [, kib] = /^MemTotal: +(\d+) kB$/m.exec(await shell("cat /proc/meminfo")) ?? [];
    expect(series.get('kata_guest_meminfo{item="mem_total"}')).toBe(Number(kib) * 1024);
  });

  it("explain shows how a container was created, each call with its field of the spec", async () => {
    const id = await pod().create(["sleep", "7"], { Hostname: "" });
    const { steps } = await pod().client.guest.explain({ container_id: id });
    const found = (operation: string) => steps.find((step) => step.operation === operation);
    const first = steps.findIndex(({ operation }) => operation === "clone3");
    expect(steps.slice(0, first).map(({ operation }) => operation)).toEqual(["mkdir", "write", "bpf", "mount"]);
    expect(found("umask")).toMatchObject({ object: "22", reason: "process.user.umask", micros: expect.any(Number) });
    const isMeasured = steps.map(({ micros }) => typeof micros === "number");
    expect([isMeasured.indexOf(true), isMeasured.lastIndexOf(true)]).toEqual([first + 1, steps.length - 3]); // not wait and execve
    expect(steps.at(-1)).toMatchObject({ operation: "execve", object: "sleep 7", reason: "process.args" });
    await pod().remove(id);
    await expect(pod().client.guest.explain({ container_id: id })).rejects.toMatchObject({ kind: "not-found" });
  });

  it("statistics count the traffic of each interface in a container's network namespace", async () => {
    const { Linux } = ociSpec("/", []);
    const Namespaces = [...(Linux?.Namespaces ?? []), { Type: "network" }];
    const id = await pod().start(["sleep", "1000"], { Linux: { ...Linux, Namespaces } });
    const counters = async () =>
      (await pod().client.agent.statsContainer({ container_id: id })).network_stats.find(({ name }) => name === "lo");
    const none = { rx_errors: 0, rx_dropped: 0, tx_errors: 0, tx_dropped: 0 };
    const of = (bytes: number, packets: number) => ({
      ...{ rx_bytes: bytes, rx_packets: packets, tx_bytes: bytes, tx_packets: packets, ...none },
    });
    expect(await counters()).toMatchObject(of(0, 0));
    const all = ["CAP_NET_ADMIN", "CAP_NET_RAW"];
    const Capabilities = { Bounding: all, Effective: all, Permitted: all };
    const line = "ip link set lo up && ping -q -c 1 -s 1000 127.0.0.1";
    const { stdout, stderr } = await pod().execute(id, ["sh", "-c", line], { Capabilities });
    expect(stdout.toString() + stderr.toString()).toContain("1 packets received");
    // A request and its response, each of 1000 bytes and the headers of IP and ICMP.
    expect(await counters()).toMatchObject(of(2 * (1000 + 20 + 8), 2));
    await pod().remove(id);
    const shared = await pod().start(["sleep", "1000"]);
    const { network_stats: guests } = await pod().client.agent.statsContainer({ container_id: shared });
    const names = await pod().machine.shell("ls /sys/class/net");
    expect(guests.map(({ name }) => name).sort()).toEqual(names.trim().split(/\s+/).sort());
    await pod().remove(shared);
  });
}
