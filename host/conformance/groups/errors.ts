import type { CaseGroup } from "../case.ts";
import { equal, refused } from "../check.ts";
import { ociProcess, ociSpec, withMounts } from "../oci-spec.ts";
import { ON_PROCESS, processErrorCases } from "./process-error-cases.ts";
import { none, row, TABLE } from "./refusal-case.ts";

export const errors: CaseGroup = {
  name: "errors",
  title: "Codes and texts of errors",
  parallel: true,
  cases: [
    ...processErrorCases,
    row(
      "StartContainer: of an unknown container names an invalid container id",
      "should",
      ["internal"],
      /invalid container id/i,
      [({ agent }) => agent.startContainer(none)],
    ),
    row(
      "ExecProcess: in an unknown container names an invalid container id",
      "should",
      ["internal"],
      /invalid container id/i,
      [({ agent }) => agent.execProcess({ ...none, process: ociProcess(["true"]) })],
    ),
    row(
      "RemoveContainer: of an unknown container says so, in a text that the Go shim reads",
      "should",
      ["internal", "not-found", "invalid-argument"],
      /invalid container id|not found|not exist/i,
      [({ agent }) => agent.removeContainer(none)],
      "Go shim, toGRPC",
    ),
    ...(["updateContainer", "statsContainer", "pauseContainer", "resumeContainer"] as const).map((call) =>
      row(
        `${call.slice(0, 1).toUpperCase()}${call.slice(1)}: of an unknown container is INVALID_ARGUMENT`,
        "should",
        ["invalid-argument"],
        /invalid container id/i,
        [({ agent }) => agent[call](none)],
      ),
    ),
    row("CreateContainer: without an OCI spec is refused", "must", ["invalid-argument", "internal"], /./, [
      (context) => context.agent.createContainer({ container_id: context.fresh() }),
    ]),
    row(
      "CreateContainer: with a spec without a process is refused",
      "should",
      ["invalid-argument", "internal"],
      /./,
      [(context) => context.agent.createContainer({ container_id: context.fresh(), OCI: { Root: { Path: "/" } } })],
      `${TABLE}; no host sends one`,
    ),
    {
      name: "ExecProcess: without a process is refused",
      level: "must",
      source: TABLE,
      needs: ["rootfs"],
      run: async (context) => {
        const container_id = await context.sleeper();
        const call = context.agent.execProcess({ container_id, exec_id: context.fresh() });
        await refused(call, { codes: ["invalid-argument", "internal"] });
      },
    },
    {
      name: "ExecProcess: of a missing executable is INTERNAL and says that it was not found",
      level: "should",
      source: "Go shim, toGRPC: not found; kubelet shows the text",
      needs: ["rootfs"],
      run: async (context) => {
        const container_id = await context.sleeper();
        const text = /no-such-program.*not found|no such file/i;
        await refused(context.exec(container_id, ["no-such-program"]), { codes: ["internal"], text });
      },
    },
    {
      name: "CreateContainer: a mount of an unknown file system is refused, with its name in the text",
      level: "should",
      source: "OCI runtime spec, mounts",
      needs: ["rootfs"],
      run: (context) => {
        const mount = { destination: "/m", source: "x", type: "no-such-fs", options: [] };
        return refused(context.create(["true"], withMounts(mount)), {
          codes: ["internal"],
          text: /no-such-fs|\/m\b/,
        });
      },
    },
    row("UpdateInterface: without an interface is refused", "should", ["invalid-argument"], /./, [
      ({ agent }) => agent.updateInterface({}),
    ]),
    row(
      "UpdateInterface: an interface that does not exist is reported as Link not found",
      "must",
      ["internal"],
      /Link not found/,
      [
        ({ agent }) =>
          agent.updateInterface({ interface: { name: "conf9", device: "conf9", hwAddr: "02:00:00:00:00:99" } }),
      ],
      "Go shim retries on this text only",
    ),
    row("UpdateRoutes: without routes is refused", "should", ["invalid-argument"], /./, [
      ({ agent }) => agent.updateRoutes({}),
    ]),
    row("AddSwapPath: a path that does not exist is refused", "should", ["internal"], /conf-no-such/, [
      ({ agent }) => agent.addSwapPath({ path: "/conf-no-such" }),
    ]),
    row("AddSwap: without a PCI path is refused", "should", ["internal", "invalid-argument"], /./, [
      ({ agent }) => agent.addSwap({}),
    ]),
    row("MemAgentMemcgSet: is refused while the memory agent is off", "should", ["internal"], /disabled/, [
      ({ agent }) => agent.memAgentMemcgSet({}),
    ]),
    row("MemAgentCompactSet: is refused while the memory agent is off", "should", ["internal"], /disabled/, [
      ({ agent }) => agent.memAgentCompactSet({}),
    ]),
    row(
      "ResizeVolume: a path that is no volume is refused",
      "may",
      ["invalid-argument", "internal"],
      /./,
      [({ agent }) => agent.resizeVolume({ volume_guest_path: "/conf-no-such", size: 1 })],
      "guestd; UNIMPLEMENTED in the reference",
    ),
    row(
      "SetGuestDateTime: refuses a time before 1970",
      "should",
      ["invalid-argument", "internal"],
      /./,
      [({ agent }) => agent.setGuestDateTime({ Sec: -1 })],
      "settimeofday(2)",
    ),
    {
      name: "CreateContainer: messages are one line",
      level: "may",
      source: "guestd; the reference adds a stack trace",
      needs: ["rootfs"],
      run: async (context) => {
        const error = await refused(context.create(["/bin/no-such-program"]));
        equal(error.message.split("\n").length, 1, "the number of lines");
      },
    },
    {
      name: "SignalProcess: refused calls change nothing",
      level: "should",
      source: "hosts repeat calls",
      needs: ["rootfs"],
      run: async (context) => {
        const container_id = await context.sleeper();
        await refused(context.agent.createContainer({ container_id: "", OCI: ociSpec(context.rootfs, ["true"]) }));
        for (const call of Object.values(ON_PROCESS)) {
          await refused(call(context, { container_id, exec_id: "conf-no-such" }));
        }
        equal((await context.execute(container_id, "echo alive")).stdout, "alive\n", "the output of an exec");
      },
    },
  ],
};
