import type { Difference } from "./replay.ts";

/** An answer of guestd that differs from the reference's, and the reason. The test fails if no recording shows it. */
export interface KnownDifference {
  readonly call: string;
  readonly reference: RegExp;
  readonly guestd: RegExp;
  readonly reason: string;
}

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    call: "GetGuestDetails",
    reference: /^(?!.*init_daemon)/,
    guestd: /init_daemon/,
    reason: "the reference ran as a service; guestd runs under an init that is PID 1",
  },
  {
    call: "GetGuestDetails",
    reference: /^(?!.*device_handlers).*init_daemon/,
    guestd: /init_daemon.*device_handlers/,
    reason: "the reference does not list the kinds of devices that it supports",
  },
  {
    call: "WaitProcess",
    reference: /^code 5: InvalidExecId$/,
    guestd: /^\{("status":\d+)?\}$/,
    reason: "a second wait returns the status again, which is needed after a lost connection; the Go shim ignores this answer",
  },
  {
    call: "WriteStdin",
    reference: /^code 13: Process not found: invalid exec id$/,
    guestd: /^\{\}$/,
    reason: "runtime-rs closes the input of an exec that has ended: nothing is left to close, and nothing to log",
  },
  {
    call: "SignalProcess",
    reference: /^code 5: InvalidExecId$/,
    guestd: /^code 5: process not found: ("\S+" \(ESRCH: No such process\)|no exec "\S+" in container \S+)$/,
    reason: "runtime-rs checks the code or `process not found`; the Go shim checks `ESRCH` for a process that existed",
  },
  {
    call: "ExecProcess",
    reference: /^code 13: the file (\S+) was not found$/,
    guestd: /^code 13: .*"\/\S+": executable file not found/,
    reason: "both name the file and contain `not found`, which the Go shim checks; the rest is only displayed",
  },
  {
    call: "CreateContainer",
    reference: /^code 13: the file (\S+) was not found$/,
    guestd: /^code 13: .*"\/\S+": executable file not found/,
    reason: "the same for the first process; guestd sends no stack trace",
  },
  {
    call: "GetOOMEvent",
    reference: /^code 13: ""$/,
    guestd: /^code 13: get OOM event: the sandbox has ended$/,
    reason: "after DestroySandbox: the Go shim's loop continues after any text but `ttrpc: closed`, which it gets next",
  },
  {
    call: "StatsContainer",
    reference: /memory_stats/,
    guestd: /cpu_stats.*network_stats/,
    reason: "cgroups have no controllers in the namespaces of a machine with cgroup v1; only guestd fills network_stats",
  },
  {
    call: "ReadStdout",
    reference: /^not a tty/,
    guestd: /\/dev\/pts\/\d/,
    reason: "guestd's terminal is in the container's own devpts",
  },
  {
    call: "ReadStdout",
    reference: /\/default\/\w+\n[\s\S]*0::\/\n/,
    guestd: /^(?![\s\S]*\/default\/)[\s\S]*0::\/\n/,
    reason: "guestd always creates a cgroup namespace, and the test has another root file system",
  },
  {
    call: "UpdateRoutes",
    reference: /^\{"Routes":\[\{"dest":"0\.0\.0\.0","gateway":"10\.99\.0\.1","device":"eth0"\},\{"dest":"10\.99\.0\.0\/24",/,
    guestd:
      /^\{"Routes":\[\{"dest":"0\.0\.0\.0","gateway":"10\.99\.0\.1","device":"eth0"\},\{"dest":"10\.99\.0\.0\/24","device":"eth0","source":"10\.99\.0\.2","scope":253\}/,
    reason: "guestd reports a route's source and IPv6's family; the other end of the test's card has a route too",
  },
  {
    call: "ReadStdout",
    reference: /eth0: [\s\S]*link\/ether ([\da-f:]+) [\s\S]*default via 10\.99\.0\.1 dev eth0/,
    guestd:
      /eth0(@wire)?: [\s\S]*inet 10\.99\.0\.2\/24 brd 10\.99\.0\.255 scope global eth0\n[\s\S]*default via 10\.99\.0\.1 dev eth0 \n10\.99\.0\.0\/24 dev eth0 scope link {2}src 10\.99\.0\.2 \n10\.99\.0\.77 dev eth0 lladdr 02:00:00:00:00:77 .*PERMANENT/,
    reason: "the test's card is one of a pair, and the kernel supports IPv6",
  },
];

export function knownDifference({ call, reference, guestd }: Difference): KnownDifference | undefined {
  return KNOWN_DIFFERENCES.find(
    (known) => known.call === call && known.reference.test(reference) && known.guestd.test(guestd),
  );
}
