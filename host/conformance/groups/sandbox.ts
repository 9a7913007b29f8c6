import type { CaseGroup } from "../case.ts";
import { equal, holds, matches, refused } from "../check.ts";
import { withMounts } from "../oci-spec.ts";
import { HOSTNAME, NAMESERVER, SHM } from "../session.ts";
import { ownSandbox } from "./own-sandbox.ts";
import { volumeCases } from "./volume-cases.ts";

export const sandbox: CaseGroup = {
  name: "sandbox",
  title: "Sandbox",
  cases: [
    {
      name: "CreateSandbox: succeeds with a host's host name, DNS lines and shared memory",
      level: "must",
      source: "Go shim and runtime-rs, start of a sandbox",
      run: async (context) => {
        const outcome = await context.session.sandbox();
        if (outcome instanceof Error) throw outcome;
        if (outcome === "existed") context.skip("the agent had a sandbox already");
      },
    },
    {
      name: "CreateSandbox: containers have its host name",
      level: "must",
      source: "agent.proto, CreateSandboxRequest.hostname",
      needs: ["rootfs"],
      run: async (context) => {
        await ownSandbox(context);
        equal(await context.print("hostname"), `${HOSTNAME}\n`, "the host name");
      },
    },
    {
      name: "CreateSandbox: its DNS lines are in the sandbox's resolv.conf",
      level: "must",
      source: "Go shim and runtime-rs, CreateSandboxRequest.dns",
      needs: ["rootfs"],
      run: async (context) => {
        await ownSandbox(context);
        const text = await context.lookAt("/run/kata-containers/sandbox", "cat /guest/resolv.conf");
        equal(text.trimEnd(), NAMESERVER, "resolv.conf");
      },
    },
    {
      name: "CreateSandbox: the shared memory storage is a tmpfs of the requested size and options",
      level: "should",
      source: "Go shim and runtime-rs, /dev/shm of a pod; neither relies on the options",
      needs: ["rootfs"],
      run: async (context) => {
        await ownSandbox(context);
        const bind = { destination: "/shm", source: SHM.mount_point, type: "bind", options: ["rbind", "rw"] };
        const text = await context.print("grep ' /shm ' /proc/mounts", withMounts(bind));
        matches(text, /^shm \/shm tmpfs \S*size=65536k/, "the mount");
        for (const option of ["nosuid", "nodev", "noexec"]) matches(text, new RegExp(`[ ,]${option}`), "the mount");
      },
    },
    {
      name: "CreateSandbox: two containers share its shared memory",
      level: "must",
      source: "Kubernetes, a pod's IPC",
      needs: ["rootfs"],
      run: async (context) => {
        await ownSandbox(context);
        const bind = { destination: "/shm", source: SHM.mount_point, type: "bind", options: ["rbind", "rw"] };
        await context.print("echo shared > /shm/conformance", withMounts(bind));
        equal(
          await context.print("cat /shm/conformance; rm /shm/conformance", withMounts(bind)),
          "shared\n",
          "the file",
        );
      },
    },
    {
      name: "CreateSandbox: a second one is refused with ALREADY_EXISTS and changes nothing",
      level: "may",
      source: "guestd; the reference empties /run/kata-containers",
      needs: ["rootfs", "own-agent"],
      run: async (context) => {
        const id = await context.sleeper();
        const exec_id = await context.exec(id, ["cat"]);
        try {
          for (const sandbox_id of [context.session.id, "other"]) {
            const again = { sandbox_id, hostname: "other", dns: ["nameserver 10.9.9.9"] };
            await refused(context.agent.createSandbox(again), { codes: ["already-exists"] });
          }
        } finally {
          context.session.forgetRootfs();
        }
        await context.write("still here\n", id, exec_id);
        await context.agent.closeStdin({ container_id: id, exec_id });
        equal((await context.finish(id, exec_id)).stdout, "still here\n", "the output of a running exec");
        equal((await context.execute(id, "hostname")).stdout, `${HOSTNAME}\n`, "the host name");
        equal(await context.print("hostname"), `${HOSTNAME}\n`, "the host name of a new container");
        const look = "cat /guest/resolv.conf; grep -c ' /guest/shm ' /proc/mounts";
        const text = await context.lookAt("/run/kata-containers/sandbox", look);
        equal(text, `${NAMESERVER}\n1\n`, "resolv.conf, and the number of mounts of the shared memory");
      },
    },
    {
      name: "GetGuestDetails: reports the agent's version",
      level: "must",
      source: "Go shim and runtime-rs, start of a sandbox",
      run: async ({ agent }) => {
        const { agent_details } = await agent.getGuestDetails({ mem_block_size: true, mem_hotplug_probe: true });
        matches(agent_details?.version ?? "", /^\d+\.\d+/, "agent_details.version");
      },
    },
    {
      name: "GetGuestDetails: lists the storage drivers that every pod needs",
      level: "should",
      source: "agent.proto, AgentDetails.storage_handlers",
      run: async ({ agent }) => {
        const drivers = (await agent.getGuestDetails({})).agent_details?.storage_handlers ?? [];
        for (const driver of ["ephemeral", "local", "virtio-fs"]) {
          holds(drivers.includes(driver), `storage_handlers includes ${driver}`, drivers);
        }
      },
    },
    {
      name: "GetGuestDetails: reports no memory block size unless it is requested",
      level: "should",
      source: "agent.proto, GuestDetailsRequest.mem_block_size",
      run: async ({ agent }) =>
        equal((await agent.getGuestDetails({})).mem_block_size_bytes, 0, "mem_block_size_bytes"),
    },
    {
      name: "OnlineCPUMem: succeeds if nothing is to be brought online",
      level: "must",
      source: "Go shim, after CreateContainer",
      needs: ["sandbox"],
      run: async ({ agent }) => {
        await agent.onlineCPUMem({});
        await agent.onlineCPUMem({ nb_cpus: 0, cpu_only: true });
      },
    },
    {
      name: "UpdateEphemeralMounts: succeeds with an empty list",
      level: "should",
      source: "Go shim, after each memory update; it tolerates UNIMPLEMENTED",
      needs: ["sandbox"],
      run: ({ agent }) => agent.updateEphemeralMounts({ storages: [] }),
    },
    {
      name: "RemoveStaleVirtiofsShareMounts: succeeds without any share",
      level: "must",
      source: "Go shim, stop of a container",
      needs: ["sandbox"],
      run: ({ agent }) => agent.removeStaleVirtiofsShareMounts({}),
    },
    {
      name: "MemHotplugByProbe: succeeds without any address",
      level: "should",
      source: "Go shim, memory hotplug by probe",
      needs: ["sandbox"],
      run: ({ agent }) => agent.memHotplugByProbe({}),
    },
    {
      name: "ReseedRandomDev: accepts random bytes",
      level: "should",
      source: "Go shim, VM templates",
      needs: ["sandbox", "own-agent"],
      run: ({ agent }) => agent.reseedRandomDev({ data: Buffer.alloc(256, "conformance") }),
    },
    {
      name: "ReseedRandomDev: refuses a request without data",
      level: "should",
      source: "agent.proto, ReseedRandomDevRequest.data",
      run: ({ agent }) => refused(agent.reseedRandomDev({})),
    },
    ...volumeCases,
  ],
};
