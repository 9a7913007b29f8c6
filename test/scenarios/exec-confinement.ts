import { expect, it } from "vitest";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Registers the scenario of an exec that gets no more than its container has. */
export function execConfinement(pod: () => Pod): void {
  it("an exec is confined like its container, or more; the capabilities that it names apply", async () => {
    const { Process, Linux } = ociSpec("/", ["sleep", "1000"]);
    const Seccomp = {
      DefaultAction: "SCMP_ACT_ALLOW",
      Syscalls: [{ Names: ["mkdir", "mkdirat"], Action: "SCMP_ACT_ERRNO" }],
    };
    const own = ["CAP_CHOWN", "CAP_KILL"];
    const sets = (names: readonly string[]) => ({ Bounding: names, Effective: names, Permitted: names });
    const start = (NoNewPrivileges: boolean) =>
      pod().start([], {
        Process: { ...Process, Capabilities: sets(own), NoNewPrivileges },
        Linux: { ...Linux, Seccomp },
      });
    const line = "grep -E '^(Cap(Prm|Eff|Bnd)|NoNewPrivs|Seccomp):' /proc/self/status; mkdir /x 2>&1";
    const seen = async (id: string, process: object) => {
      const { stdout } = await pod().execute(id, ["sh", "-c", line], process);
      return stdout.toString().replace(/\t0*/g, " ");
    };
    const denied = "Seccomp: 2\nmkdir: can't create directory '/x': Operation not permitted\n";
    const caps = (mask: string) => `CapPrm: ${mask}\nCapEff: ${mask}\nCapBnd: ${mask}\n`;
    const [strict, loose] = [await start(true), await start(false)];
    expect(await seen(strict, {})).toBe(`${caps("21")}NoNewPrivs: 1\n${denied}`);
    expect(await seen(strict, { Capabilities: {} })).toBe(`${caps("")}NoNewPrivs: 1\n${denied}`);
    expect(await seen(strict, { Capabilities: sets([...own, "CAP_SYS_CHROOT"]) })).toBe(
      `${caps("40021")}NoNewPrivs: 1\n${denied}`,
    );
    expect(await seen(loose, {})).toBe(`${caps("21")}NoNewPrivs: \n${denied}`);
    expect(await seen(loose, { NoNewPrivileges: true })).toBe(`${caps("21")}NoNewPrivs: 1\n${denied}`);
    for (const id of [strict, loose]) await pod().remove(id);
  });
}
