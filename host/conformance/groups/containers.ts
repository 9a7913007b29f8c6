import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { CaseGroup } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { equal, refused } from "../check.ts";
import { ociSpec, withMounts } from "../oci-spec.ts";
import { copy } from "./copy-request.ts";
import { pauseCases } from "./pause-cases.ts";

/** Runs a container to its end that writes a termination message to `path`, and returns what GetDiagnosticData returns. */
async function terminationMessage(context: CaseContext, path: string, parts: Init<grpc.Spec> = {}): Promise<string> {
  const Annotations = { "io.kubernetes.container.terminationMessagePath": path };
  const id = await context.start(["sh", "-c", `echo out of beans > ${path}; exit 3`], { Annotations, ...parts });
  await context.finish(id);
  return (await context.agent.getDiagnosticData({ container_id: id, log_type: "termination_log" })).data;
}

export const containers: CaseGroup = {
  name: "containers",
  title: "Life of a container",
  parallel: true,
  needs: ["rootfs"],
  cases: [
    {
      name: "CreateContainer: the process does not run before StartContainer",
      level: "must",
      source: "OCI runtime spec, lifecycle",
      run: async (context) => {
        const id = await context.create(["echo", "started"]);
        const read = context.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
        await context.stillOpen(read, "ReadStdout of a container that is not started");
        await context.agent.startContainer({ container_id: id });
        equal(Buffer.from((await read).data).toString(), "started\n", "the output");
      },
    },
    {
      name: "StartContainer: a container runs to its end with its output and exit code",
      level: "must",
      source: "Go shim and runtime-rs, every container",
      run: async (context) => {
        const { stdout, stderr, status } = await context.run(["sh", "-c", "echo out; echo err >&2; exit 3"]);
        equal({ stdout, stderr, status }, { stdout: "out\n", stderr: "err\n", status: 3 }, "output and status");
      },
    },
    {
      name: "CreateContainer: accepts an empty exec id, which means the first process",
      level: "must",
      source: "runtime-rs, every container",
      run: async (context) => {
        const id = await context.start(["sh", "-c", "echo out; exit 4"], {}, { exec_id: "" });
        const stdout = await context.drain("readStdout", id, "");
        const { status } = await context.agent.waitProcess({ container_id: id, exec_id: "" });
        equal([stdout.toString(), status], ["out\n", 4], "output and status");
      },
    },
    {
      name: "CreateContainer: fails at once if the executable is missing, with its name in the text",
      level: "must",
      source: "kubelet shows the text; behaviour of the reference",
      run: (context) => refused(context.create(["/bin/no-such-program"]), { text: /no-such-program/ }),
    },
    {
      name: "CreateContainer: after a failure the same id can be used again",
      level: "should",
      source: "containerd, retry of a container",
      run: async (context) => {
        const container_id = context.fresh();
        const create = (args: readonly string[]) =>
          context.agent.createContainer({ container_id, exec_id: container_id, OCI: ociSpec(context.rootfs, args) });
        await refused(create(["/bin/no-such-program"]));
        await create(["true"]);
        await context.agent.startContainer({ container_id });
        equal((await context.finish(container_id)).status, 0, "the status");
      },
    },
    {
      name: "CreateContainer: fails if the root file system does not exist",
      level: "must",
      source: "OCI runtime spec, root.path",
      run: (context) => refused(context.create(["true"], { Root: { Path: "/run/kata-containers/none" } })),
    },
    {
      name: "CreateContainer: refuses a second container with the id of a living one",
      level: "should",
      source: "OCI runtime spec, create: the id must be unique",
      run: async (context) => {
        const container_id = await context.sleeper();
        await refused(
          context.agent.createContainer({ container_id, exec_id: "", OCI: ociSpec(context.rootfs, ["true"]) }),
        );
      },
    },
    {
      name: "CreateContainer: the refused second container leaves the first one running",
      level: "may",
      source: "guestd; the reference destroys the first one",
      run: async (context) => {
        const container_id = await context.sleeper();
        const twice = context.agent.createContainer({ container_id, OCI: ociSpec(context.rootfs, ["true"]) });
        await refused(twice, { codes: ["already-exists"] });
        equal((await context.execute(container_id, "echo alive")).stdout, "alive\n", "the output of an exec");
      },
    },
    ...["", "a", "../x", "-x", "a/b", ".x"].map((container_id) => ({
      name: `CreateContainer: refuses the id ${JSON.stringify(container_id)}`,
      level: "should" as const,
      source: "the reference's check of ids: they become path names",
      run: (context: CaseContext) =>
        refused(context.agent.createContainer({ container_id, OCI: ociSpec(context.rootfs, ["true"]) })),
    })),
    {
      name: "CreateContainer: refuses an id of 300 characters as an invalid argument",
      level: "may",
      source: "guestd: ids become path names",
      run: (context) => {
        const container_id = "x".repeat(300);
        const call = context.agent.createContainer({ container_id, OCI: ociSpec(context.rootfs, ["true"]) });
        return refused(call, { codes: ["invalid-argument"] });
      },
    },
    {
      name: "StartContainer: fails for a container that was started already",
      level: "should",
      source: "OCI runtime spec, start",
      mayBlockAgent: true,
      run: async (context) => {
        const container_id = await context.sleeper();
        await refused(context.agent.startContainer({ container_id }));
        equal((await context.execute(container_id, "echo alive")).stdout, "alive\n", "the output of an exec");
      },
    },
    {
      name: "RemoveContainer: ends a running container and all its processes",
      level: "must",
      source: "Go shim and runtime-rs, stop of a container",
      run: async (context) => {
        const id = await context.start(["sh", "-c", "sleep 1000 & sleep 1000"]);
        const wait = context.agent.waitProcess({ container_id: id, exec_id: id }).catch(() => undefined);
        await context.remove(id);
        await wait;
        await refused(context.agent.waitProcess({ container_id: id, exec_id: id }));
      },
    },
    {
      name: "RemoveContainer: removes a container that was never started",
      level: "must",
      source: "containerd, roll-back of a start",
      run: async (context) => {
        const id = await context.create(["true"]);
        await context.remove(id);
        await refused(context.agent.startContainer({ container_id: id }));
      },
    },
    {
      name: "RemoveContainer: removes a container whose process has ended and was waited for",
      level: "must",
      source: "runtime-rs, end of every container",
      run: async (context) => {
        const id = await context.start(["true"]);
        await context.finish(id);
        await context.remove(id);
      },
    },
    {
      name: "RemoveContainer: succeeds with a time limit",
      level: "must",
      source: "runtime-rs, RemoveContainerRequest.timeout",
      run: async (context) => {
        const container_id = await context.sleeper();
        await context.agent.removeContainer({ container_id, timeout: 10 });
      },
    },
    {
      name: "RemoveContainer: the id can be used again afterwards",
      level: "should",
      source: "containerd, restart of a container",
      run: async (context) => {
        const container_id = await context.sleeper();
        await context.remove(container_id);
        const OCI = ociSpec(context.rootfs, ["echo", "again"]);
        await context.agent.createContainer({ container_id, exec_id: container_id, OCI });
        await context.agent.startContainer({ container_id });
        equal((await context.finish(container_id)).stdout, "again\n", "the output");
      },
    },
    {
      name: "GetDiagnosticData: returns a container's termination message after its end",
      level: "should",
      source: "runtime-rs without a shared file system, terminationMessagePolicy",
      since: "4.1.0",
      run: async (context) => {
        const file = `${await context.sharedDirectory()}/message`;
        await copy(context, file, "");
        // Kubelet mounts a file there.
        const bind = { destination: "/dev/termination-log", source: file, type: "bind", options: ["bind", "rw"] };
        equal(await terminationMessage(context, bind.destination, withMounts(bind)), "out of beans\n", "the message");
      },
    },
    {
      name: "GetDiagnosticData: returns a termination message that is in no mount",
      level: "may",
      source: "guestd; kubelet always mounts a file there",
      since: "4.1.0",
      run: async (context) => equal(await terminationMessage(context, "/tmp/message"), "out of beans\n", "the message"),
    },
    {
      name: "GetDiagnosticData: refuses an unknown kind of log",
      level: "should",
      source: "behaviour of the reference: INVALID_ARGUMENT",
      since: "4.1.0",
      run: async (context) => {
        const container_id = await context.sleeper();
        const call = context.agent.getDiagnosticData({ container_id, log_type: "dmesg" });
        await refused(call, { codes: ["invalid-argument"] });
      },
    },
    ...pauseCases,
  ],
};
