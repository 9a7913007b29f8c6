import { expect, it } from "vitest";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Returns a spec with the capability to create nodes, and with device rules. */
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

/** Scenarios of the device filter: each opens devices and checks the result. */
export function deviceFilterScenarios(pod: () => Pod): void {
  const inside = async (line: string, rules: readonly object[], devices: readonly object[] = []): Promise<string> => {
    const { stdout, stderr } = await pod().run([], withDeviceRules(["sh", "-c", line], rules, devices));
    return stdout.toString() + stderr.toString();
  };
  const make = "mknod /dev/kmsg c 1 11 && : > /dev/kmsg && echo open";

  it("without rules a container can open the default devices; others it can create but not open", async () => {
    const usual = "for n in null zero full random urandom; do : < /dev/$n && echo $n; done; ls /dev/pts; ";
    expect(await inside(usual + make, [])).toBe(`null\nzero\nfull\nrandom\nurandom\nptmx\n${DENIED}`);
  });

  it("a container can open a node of linux.devices, unless a rule that names it denies it", async () => {
    expect(await inside(": > /dev/kmsg; echo end", [], [KMSG])).toBe("end\n");
    expect(await inside(": > /dev/kmsg; echo end", [DENY_ALL], [KMSG])).toBe("end\n");
    expect(await inside(": > /dev/kmsg; echo end", [DENY_ALL, READ_ONLY], [KMSG])).toBe(DENIED);
  });

  it("a rule can allow one device, a whole major number, or everything", async () => {
    for (const rule of [
      { Type: "c", Major: 1, Minor: 11, Access: "w" },
      { Type: "c", Major: 1, Minor: -1, Access: "rw" },
      { Type: "a", Access: "rwm" },
    ]) {
      expect(await inside(make, [DENY_ALL, { Allow: true, ...rule }])).toBe("open\n");
    }
    expect(await inside(make, [{ Allow: true, Type: "b", Access: "rwm" }])).toBe(DENIED);
  });

  it("a privileged container can open every device if the host sends no rules, otherwise those that the rules allow", async () => {
    const privileged = async (...rules: object[]) => {
      const spec = withDeviceRules(["sh", "-c", make], rules, [], ["CAP_SYS_ADMIN"]);
      const { stdout, stderr } = await pod().run([], spec);
      return stdout.toString() + stderr.toString();
    };
    expect(await privileged()).toBe("open\n");
    expect(await privileged(DENY_ALL)).toBe(DENIED);
  });

  it("the filter also applies to an exec", async () => {
    const id = await pod().start([], withDeviceRules(["sleep", "1000"], [DENY_ALL, READ_ONLY], [KMSG]));
    expect((await pod().execute(id, ["sh", "-c", ": > /dev/kmsg"])).stderr.toString()).toBe(DENIED);
    await pod().remove(id);
  });

  it("UpdateContainer changes the filter, and an update without rules keeps it", async () => {
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
    // As hosts send rules with other limits: they don't list the node, which stays allowed.
    const rule = (Major: number, Minor: number) => ({ Allow: true, Type: "c", Major, Minor, Access: "rwm" });
    await update(DENY_ALL, rule(10, 77), rule(1, 3));
    expect(await open()).toBe(0);
    await expect(update({ Type: "c", Access: "x" })).rejects.toMatchObject({ code: 3 });
    await pod().remove(container_id);
  });

  it("a rule with an unknown type is refused by name", async () => {
    await expect(inside("true", [DENY_ALL, { Type: "q" }])).rejects.toMatchObject({
      code: 3,
      message: 'OCI spec: linux.resources.devices[1] type "q" is not one of a, b, c',
    });
  });
}
