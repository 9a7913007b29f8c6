import { expect, it } from "vitest";
import { vhostVsockUsable } from "../../host/vm/vsock-device.ts";
import { ownGuests, POLL } from "./testing/own-guests.ts";

const { image, run, readState, killKeeper, left } = ownGuests("resize-");
const isOff = await vhostVsockUsable();
const off = isOff ? " (without a balloon, as with /dev/vhost-vsock)" : "";

/** Returns the MiB of memory that a container's program sees. */
const seen = async () =>
  Math.round(Number(await run("exec", "one", "awk", "/MemTotal/ {print $2}", "/proc/meminfo")) / 1024);
const recorded = () => readState("one", "guest.json").memoryMib;

it.skipIf(isOff)(
  `a guest's memory shrinks and grows, with a killed keeper and a saved guest between${off}`,
  async () => {
    expect(await run("run", "-d", "--name", "one", "--idle", "2", image, "sleep", "1000")).toBe("one\n");
    const whole = await seen();
    const update = (...flags: string[]) => run("update", "--guest", "one", ...flags);
    expect(await update("--memory", "256m")).toBe("");
    expect([await seen(), recorded()]).toEqual([whole - 256, 256]);
    await killKeeper("one");
    expect(await update("--memory", "384m")).toBe("");
    expect([await seen(), recorded()]).toEqual([whole - 128, 384]);
    await expect.poll(() => readState("one", "guest.json").isSaved, POLL).toBe(true);
    expect([await seen(), recorded()]).toEqual([whole - 128, 384]);
    expect(await update("--memory", "512m")).toBe("");
    expect([await seen(), recorded()]).toEqual([whole, 512]);
    for (const [flags, line] of [
      [["--memory", "513m"], /^guestctl: resize guest one: it can have 128 to 512 MiB, not 513; .*\nexit code/],
      [["--memory", "100m"], /^guestctl: resize guest one: it can have 128 to 512 MiB, not 100; .*\nexit code/],
      [
        ["--memory", "256m", "--cpus", "2"],
        /^guestctl: update: a guest has no limits but --memory, --timeout and --idle; .*\nexit code/,
      ],
      [[], /^guestctl: update: a guest has no limits but --memory, --timeout and --idle; .*\nexit code/],
    ] as const) {
      expect(await update(...flags)).toMatch(line);
    }
    expect(await run("pause", "--guest", "one")).toBe("one\n");
    expect(await update("--memory", "256m")).toMatch(/^guestctl: resize guest one: it is paused; .*\nexit code/);
    expect(await run("unpause", "--guest", "one")).toBe("one\n");
    expect([await seen(), recorded()]).toEqual([whole, 512]);
    expect(await run("rm", "-f", "one")).toBe("one\n");
    expect(await update("--memory", "256m")).toMatch(/^guestctl: .*one.*\nexit code/);
    await expect.poll(left, POLL).toEqual([]);
  },
);
