import { accepted, answer, error, type Fault, fault, ignored, request, response } from "./fault.ts";

/** Defects of the sandbox, of observation, of files and of the network. */
export function sandboxFaults(): Fault[] {
  return [...health(), ...sandbox(), ...statistics(), ...files(), ...network()];
}

function health(): Fault[] {
  return [
    fault(
      "Check: answers NOT_SERVING",
      /^Check: answers SERVING/,
      response("Check", () => ({ status: 2 })),
    ),
    fault("Check: takes six seconds", /^Check: is answered within five seconds/, { call: "Check", delayMs: 6000 }),
    fault(
      "Version: has no version of the agent",
      /^Version: has the agent's version/,
      response("Version", (is) => ({ ...is, agent_version: "" })),
    ),
    fault(
      "Version: has another version of the protocol",
      /^Version: has the version 0\.0\.1/,
      response("Version", (is) => ({ ...is, grpc_version: "0.0.2" })),
    ),
  ];
}

function sandbox(): Fault[] {
  return [
    fault("CreateSandbox: a second one is accepted", /^CreateSandbox: a second one/, accepted("CreateSandbox")),
    fault(
      "CreateSandbox: the host name is ignored",
      /^CreateSandbox: containers have its host name/,
      request("CreateSandbox", (is) => ({ ...is, hostname: "" })),
    ),
    fault(
      "CreateSandbox: DNS lines are ignored",
      /^CreateSandbox: its DNS lines/,
      request("CreateSandbox", (is) => ({ ...is, dns: [] })),
    ),
    fault(
      "CreateSandbox: storages are ignored",
      /^CreateSandbox: (the shared memory|two containers share)/,
      request("CreateSandbox", (is) => ({ ...is, storages: [] })),
    ),
    fault(
      "GetGuestDetails: has no storage drivers",
      /^GetGuestDetails: lists the storage drivers/,
      response("GetGuestDetails", (is) => ({ ...is, agent_details: { ...is.agent_details, storage_handlers: [] } })),
    ),
    fault(
      "GetGuestDetails: reports a block size that was not requested",
      /^GetGuestDetails: reports no memory block size/,
      response("GetGuestDetails", (is) => ({ ...is, mem_block_size_bytes: 1 << 27 })),
    ),
    fault(
      "ReseedRandomDev: a request without data is accepted",
      /^ReseedRandomDev: refuses/,
      accepted("ReseedRandomDev"),
    ),
    fault("SetPolicy: is ignored", /^SetPolicy: a denied call/, ignored("SetPolicy")),
    fault(
      "SetPolicy: a text that is no policy is accepted",
      /^SetPolicy: a text that is no policy/,
      accepted("SetPolicy"),
    ),
    fault("DestroySandbox: is ignored", /^DestroySandbox: the agent ends/, ignored("DestroySandbox")),
    fault(
      "every call: PERMISSION_DENIED is INTERNAL",
      /^SetPolicy: a denied call is PERMISSION_DENIED/,
      error(undefined, (code, text) => ({ code: code === 7 ? 13 : code, text })),
    ),
    fault(
      "every call: NOT_FOUND is INTERNAL",
      /NOT_FOUND/,
      error(undefined, (code, text) => ({ code: code === 5 ? 13 : code, text })),
    ),
  ];
}

function statistics(): Fault[] {
  return [
    fault(
      "StatsContainer: the CPU time is 0",
      /^StatsContainer: counts the CPU time/,
      response("StatsContainer", ({ cgroup_stats, ...is }) => ({
        ...is,
        cgroup_stats: { ...cgroup_stats, cpu_stats: null },
      })),
    ),
    fault(
      "StatsContainer: the memory is 0",
      /^StatsContainer: reports memory/,
      response("StatsContainer", ({ cgroup_stats, ...is }) => ({
        ...is,
        cgroup_stats: { ...cgroup_stats, memory_stats: null },
      })),
    ),
    fault(
      "StatsContainer: the number of processes is 0",
      /^StatsContainer: reports the number of processes/,
      response("StatsContainer", ({ cgroup_stats, ...is }) => ({
        ...is,
        cgroup_stats: { ...cgroup_stats, pids_stats: null },
      })),
    ),
    fault(
      "StatsContainer: has no network",
      /^StatsContainer: counts the traffic/,
      response("StatsContainer", (is) => ({ ...is, network_stats: [] })),
    ),
    fault(
      "GetMetrics: a label is missing",
      /^GetMetrics: has kata_guest_meminfo/,
      response("GetMetrics", ({ metrics }) => ({
        metrics: metrics.replaceAll(/(kata_guest_meminfo)\{[^}]*\}/g, "$1"),
      })),
    ),
    fault(
      "GetMetrics: a metric is missing",
      /^GetMetrics: has kata_agent_total_rss/,
      response("GetMetrics", ({ metrics }) => ({ metrics: metrics.replaceAll(/^.*kata_agent_total_rss.*\n/gm, "") })),
    ),
    fault(
      "GetMetrics: types are missing",
      /^GetMetrics: (has|is Prometheus text)/,
      response("GetMetrics", ({ metrics }) => ({ metrics: metrics.replaceAll(/^# TYPE .*\n/gm, "") })),
    ),
    fault(
      "GetOOMEvent: names another container",
      /^GetOOMEvent: reports/,
      response("GetOOMEvent", ({ container_id }) => ({ container_id: `${container_id}x` })),
    ),
    fault("GetOOMEvent: answers although nothing happened", /^GetOOMEvent: stays open/, ignored("GetOOMEvent")),
    fault(
      "GetVolumeStats: has no inodes",
      /^GetVolumeStats: reports bytes, then inodes/,
      response("GetVolumeStats", ({ usage, ...is }) => ({ ...is, usage: usage.slice(0, 1) })),
    ),
    fault(
      "GetVolumeStats: a path that does not exist is accepted",
      /^GetVolumeStats: refuses/,
      accepted("GetVolumeStats"),
    ),
  ];
}

function files(): Fault[] {
  return [
    fault("CopyFile: is ignored", /^CopyFile: a file arrives/, ignored("CopyFile")),
    fault(
      "CopyFile: the last byte is another one",
      /^CopyFile: a file arrives/,
      request("CopyFile", ({ data, ...is }) => ({
        ...is,
        data: data.map((byte, at) => (at === data.length - 1 ? byte ^ 1 : byte)),
      })),
    ),
    fault(
      "CopyFile: the mode is always 0644",
      /^CopyFile: a file arrives with its content and mode/,
      request("CopyFile", ({ file_mode, ...is }) => ({ ...is, file_mode: (file_mode & ~0o7777) | 0o644 })),
    ),
    fault(
      "CopyFile: the owner is always root",
      /^CopyFile: a file has the given owner/,
      request("CopyFile", (is) => ({ ...is, uid: 0, gid: 0 })),
    ),
    fault(
      "CopyFile: every piece is the first one",
      /^CopyFile: 3 MiB in pieces/,
      request("CopyFile", (is) => ({ ...is, offset: 0 })),
    ),
    fault(
      "CopyFile: dangerous paths are accepted",
      /^CopyFile: (refuses a path|does not follow)/,
      accepted("CopyFile"),
    ),
  ];
}

function network(): Fault[] {
  return [
    fault(
      "ListInterfaces: the loopback interface is missing",
      /^ListInterfaces: includes the loopback/,
      response("ListInterfaces", ({ Interfaces }) => ({ Interfaces: Interfaces.filter(({ name }) => name !== "lo") })),
    ),
    fault(
      "UpdateInterface: the MTU is ignored",
      /^UpdateInterface: containers see name, address and MTU/,
      request("UpdateInterface", (is) => ({ interface: { ...is.interface, mtu: 1500 } })),
    ),
    fault(
      "UpdateInterface: returns nothing",
      /^UpdateInterface: finds an interface .* echoes/,
      response("UpdateInterface", () => ({})),
    ),
    fault("UpdateRoutes: is ignored", /^UpdateRoutes: a default route/, ignored("UpdateRoutes")),
    fault("AddARPNeighbors: is ignored", /^AddARPNeighbors: a permanent neighbour/, ignored("AddARPNeighbors")),
    fault(
      "UpdateInterface: an impossible address is accepted",
      /^UpdateInterface: an impossible address/,
      accepted("UpdateInterface"),
    ),
    fault(
      "GetIPTables: is empty",
      /GetIPTables returns a chain/,
      answer("GetIPTables", () => ({})),
    ),
  ];
}
