import { expect, it } from "vitest";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** A spec with the right to make nodes, and rules for devices. */
function withDeviceRules(
  Args: readonly string[],
  rules: readonly object[],
  devices: readonly object[] = [],
  more: readonly string[] = [],
) {
  const { Linux, Process } = ociSpec("/", []);
  const caps = ["CAP_MKNOD", "CAP_DAC_OVERRIDE", ...more];
  return {
    Process: { ...Process, Args, Capabilities: { Bounding: caps, Effective: caps, Permitted: caps } },
    Linux: { ...Linux, Devices: devices, Resources: { Devices: rules } },
  };
}

const KMSG = { Path: "/dev/kmsg", Type: "c", Major: 1, Minor: 11 };
const DENY_ALL = { Type: "a", Access: "rwm" };
const READ_ONLY = { Allow: true, Type: "c", Major: 1, Minor: 11, Access: "rm" };
const DENIED = "sh: can't create /dev/kmsg: Operation not permitted\n";

/** The device filter, by what opening a device gives. */
export function deviceFilterScenarios(pod: () => Pod): void {
  const inside = async (line: string, rules: readonly object[], devices: readonly object[] = []): Promise<string> => {
    const { stdout, stderr } = await pod().run([], withDeviceRules(["sh", "-c", line], rules, devices));
    return stdout.toString() + stderr.toString();
  };
  const make = "mknod /dev/kmsg c 1 11 && : > /dev/kmsg && echo open";

  it("without rules the default devices open, others can be made but not opened", async () => {
    const usual = "for n in null zero full random urandom; do : < /dev/$n && echo $n; done; ls /dev/pts; ";
    expect(await inside(usual + make, [])).toBe(`null\nzero\nfull\nrandom\nurandom\nptmx\n${DENIED}`);
  });

  it("a node of linux.devices opens, unless rules that name it deny it", async () => {
    expect(await inside(": > /dev/kmsg; echo end", [], [KMSG])).toBe("end\n");
    expect(await inside(": > /dev/kmsg; echo end", [DENY_ALL], [KMSG])).toBe("end\n");
    expect(await inside(": > /dev/kmsg; echo end", [DENY_ALL, READ_ONLY], [KMSG])).toBe(DENIED);
  });

  it("rules allow one device, a whole major number, or everything", async () => {
    for (const rule of [
      { Type: "c", Major: 1, Minor: 11, Access: "w" },
      { Type: "c", Major: 1, Minor: -1, Access: "rw" },
      { Type: "a", Access: "rwm" },
    ]) {
      expect(await inside(make, [DENY_ALL, { Allow: true, ...rule }])).toBe("open\n");
    }
    expect(await inside(make, [{ Allow: true, Type: "b", Access: "rwm" }])).toBe(DENIED);
  });

  it("a privileged container opens everything where the host sends no rules, and what they allow where it does", async () => {
    const privileged = async (...rules: object[]) => {
      const spec = withDeviceRules(["sh", "-c", make], rules, [], ["CAP_SYS_ADMIN"]);
      const { stdout, stderr } = await pod().run([], spec);
      return stdout.toString() + stderr.toString();
    };
    expect(await privileged()).toBe("open\n");
    expect(await privileged(DENY_ALL)).toBe(DENIED);
  });

  it("an exec is held to the filter as well", async () => {
    const id = await pod().start([], withDeviceRules(["sleep", "1000"], [DENY_ALL, READ_ONLY], [KMSG]));
    expect((await pod().execute(id, ["sh", "-c", ": > /dev/kmsg"])).stderr.toString()).toBe(DENIED);
    await pod().remove(id);
  });

  it("UpdateContainer changes the filter, and an update without rules leaves it", async () => {
    const { agent } = pod().client;
    const container_id = await pod().start([], withDeviceRules(["sleep", "1000"], [], [KMSG]));
    const open = async () => (await pod().execute(container_id, ["sh", "-c", ": > /dev/kmsg"])).status;
    const update = (...Devices: object[]) => agent.updateContainer({ container_id, resources: { Devices } });
    expect(await open()).toBe(0);
    await update(DENY_ALL, READ_ONLY);
    expect(await open()).toBe(1);
    await update();
    expect(await open()).toBe(1);
    await update(DENY_ALL, { Allow: true, Type: "a", Access: "rwm" });
    expect(await open()).toBe(0);
    await update(DENY_ALL, READ_ONLY);
    expect(await open()).toBe(1);
    // As hosts send them with other limits: the node is not among the rules, and stays.
    const rule = (Major: number, Minor: number) => ({ Allow: true, Type: "c", Major, Minor, Access: "rwm" });
    await update(DENY_ALL, rule(10, 77), rule(1, 3));
    expect(await open()).toBe(0);
    await expect(update({ Type: "c", Access: "x" })).rejects.toMatchObject({ code: 3 });
    await pod().remove(container_id);
  });

  it("a rule that says nothing of devices is refused by name", async () => {
    await expect(inside("true", [DENY_ALL, { Type: "q" }])).rejects.toMatchObject({
      code: 3,
      message: 'OCI spec: linux.resources.devices[1] type "q" is not one of a, b, c',
    });
  });
}
