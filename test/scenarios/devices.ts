import { expect, it } from "vitest";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** `linux.devices`, as the container itself sees them. */
export function deviceScenarios(pod: () => Pod): void {
  const inside = async (line: string, devices: readonly object[], mounts?: readonly object[]): Promise<string> => {
    const { Linux, Mounts } = ociSpec("/", []);
    const parts = { Linux: { ...Linux, Devices: devices }, Mounts: mounts ?? Mounts ?? [] };
    const { stdout, stderr } = await pod().run(["sh", "-c", line], parts);
    return stdout.toString() + stderr.toString();
  };

  it("nodes of each type with exact mode and owner, parents made, anywhere in the container", async () => {
    const devices = [
      { Path: "/dev/deep/own", Type: "c", Major: 1, Minor: 5, FileMode: 0o617, UID: 12, GID: 34 },
      { Path: "/dev/unbuffered", Type: "u", Major: 4095, Minor: 1_048_575 },
      { Path: "/any/made/block", Type: "b", Major: 7, Minor: 300, FileMode: 0o060600 },
      { Path: "/dev/fifo", Type: "p", FileMode: 0o622 },
    ];
    const line =
      "stat -c '%n %F %a %u:%g %t:%T' /dev/deep/own /dev/unbuffered /any/made/block /dev/fifo; stat -c %a /dev/deep";
    // not in the root: a share that an ordinary user serves takes no devices
    const mounts = [...(ociSpec("/", []).Mounts ?? []), { destination: "/any", source: "tmpfs", type: "tmpfs" }];
    expect(await inside(line, devices, mounts)).toBe(
      [
        "/dev/deep/own character special file 617 12:34 1:5",
        "/dev/unbuffered character special file 666 0:0 fff:fffff",
        "/any/made/block block special file 600 0:0 7:12c",
        "/dev/fifo fifo 622 0:0 0:0",
        "755\n",
      ].join("\n"),
    );
  });

  it("one with the path of a default device replaces it", async () => {
    const devices = [{ Path: "/dev/null", Type: "c", Major: 1, Minor: 3, FileMode: 0o600, UID: 5 }];
    expect(await inside("stat -c '%a %u %t:%T' /dev/null; stat -c %a /dev/zero", devices)).toBe("600 5 1:3\n666\n");
  });

  it("none are made where the host binds a /dev of its own", async () => {
    const directory = await pod().machine.shell("mkdir -p /run/own-dev && cd /run/own-dev && pwd");
    const mounts = [{ destination: "/dev", source: directory.trim(), type: "bind", options: ["rbind"] }];
    expect(await inside("ls /dev", [{ Path: "/dev/own", Type: "p" }], mounts)).toBe("");
    await pod().machine.shell("rm -r /run/own-dev");
  });

  it.each([
    [{ Path: "dev/x", Type: "c" }, "(dev/x) is not an absolute path"],
    [{ Path: "/dev/x", Type: "q" }, '(/dev/x) type "q" is not one of c, b, u, p'],
    [{ Path: "/dev/x", Type: "b", Major: -1 }, "(/dev/x) major -1 is outside 0..4095"],
  ])("the device %j is refused by name", async (device, why) => {
    await expect(inside("true", [device])).rejects.toMatchObject({
      code: 3,
      message: `OCI spec: linux.devices[0] ${why}`,
    });
  });
}
