import { expect, it } from "vitest";
import type { Pod } from "./pod.ts";

const SHM = "/run/kata-containers/sandbox/shm";

/** Scenarios of calls on the guest as a whole. */
export function guestCallScenarios(pod: () => Pod): void {
  const agent = () => pod().client.agent;

  it("impossible requests are refused in one line", async () => {
    const refused: [attempt: () => Promise<unknown>, kind: string, line: RegExp][] = [
      [() => agent().reseedRandomDev({}), "invalid-argument", /reseed random: no data$/],
      [() => agent().setGuestDateTime({ Sec: -1 }), "invalid-argument", /-1 s and 0 µs are no time till 2106$/],
      [() => agent().setGuestDateTime({ Sec: 1, Usec: 1_000_000 }), "invalid-argument", /are no time till 2106$/],
      [() => agent().addSwap({}), "invalid-argument", /add swap: no PCI path$/],
      [() => agent().addSwap({ PCIPath: [4096] }), "invalid-argument", /PCI path "1000": "1000" isn't a slot/],
      [() => agent().addSwapPath({ path: "swap" }), "invalid-argument", /path "swap" is not an absolute path$/],
      [() => agent().addSwapPath({ path: "/none" }), "internal", /swapon \/none: ENOENT/],
      [
        () => agent().resizeVolume({ volume_guest_path: SHM }),
        "unimplemented",
        /tmpfs is not supported, use ext4 or xfs$/,
      ],
      [() => agent().resizeVolume({ volume_guest_path: "/none" }), "invalid-argument", /it is not a mount point$/],
      [
        () => agent().memHotplugByProbe({ memHotplugProbeAddr: [2 ** 63] }),
        "invalid-argument",
        /is larger than 2\^53 - 1$/,
      ],
      [() => agent().memAgentMemcgSet({ disabled: true }), "internal", /mem-agent is disabled$/],
      [() => agent().memAgentCompactSet({ disabled: true }), "internal", /mem-agent is disabled$/],
    ];
    for (const [attempt, kind, line] of refused) {
      await expect(attempt()).rejects.toMatchObject({ kind, message: expect.stringMatching(line) });
    }
  });
}
