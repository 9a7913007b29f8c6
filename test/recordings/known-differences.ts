import type { Difference } from "./replay.ts";

/** What guestd answers otherwise than the reference did, and why that may be. One that no recording shows fails the test. */
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
    reason: "the reference ran as a service there, guestd runs under an init that is PID 1",
  },
  {
    call: "GetGuestDetails",
    reference: /^(?!.*device_handlers).*init_daemon/,
    guestd: /device_handlers.*init_daemon/,
    reason: "the reference leaves out which kinds of devices it knows",
  },
  {
    call: "WaitProcess",
    reference: /^code 5: InvalidExecId$/,
    guestd: /^\{("status":\d+)?\}$/,
    reason: "who waits again gets the status again: the Go shim ignores this answer, and after a lost connection it is needed",
  },
  {
    call: "WriteStdin",
    reference: /^code 13: Process not found: invalid exec id$/,
    guestd: /^\{\}$/,
    reason: "runtime-rs closes the input of an exec that is over: there is nothing to close, and nothing to log",
  },
  {
    call: "SignalProcess",
    reference: /^code 5: InvalidExecId$/,
    guestd: /^code 5: process not found: ("\S+" \(ESRCH: No such process\)|no exec "\S+" in container \S+)$/,
    reason: "runtime-rs goes by the code, and would by `process not found`; of one that there was, `ESRCH` is what the Go shim reads",
  },
  {
    call: "ExecProcess",
    reference: /^code 13: the file (\S+) was not found$/,
    guestd: /^code 13: .*"\/\S+": executable file not found/,
    reason: "both name the file and say `not found`, which the Go shim reads; the rest is shown to users only",
  },
  {
    call: "CreateContainer",
    reference: /^code 13: the file (\S+) was not found$/,
    guestd: /^code 13: .*"\/\S+": executable file not found/,
    reason: "the same, of the first process; the stack trace of the reference is not there",
  },
  {
    call: "GetOOMEvent",
    reference: /^code 13: ""$/,
    guestd: /^code 13: get OOM event: the sandbox has ended$/,
    reason: "after DestroySandbox: the Go shim's loop goes on at any text but `ttrpc: closed`, which it reads next",
  },
  {
    call: "StatsContainer",
    reference: /memory_stats/,
    guestd: /cpu_stats.*network_stats/,
    reason: "cgroups have no controllers in namespaces of a machine with cgroup v1; network_stats is filled by guestd alone",
  },
  {
    call: "ReadStdout",
    reference: /^not a tty/,
    guestd: /\/dev\/pts\/\d/,
    reason: "a terminal of guestd is one of the container's own devpts",
  },
  {
    call: "ReadStdout",
    reference: /\/default\/\w+\n[\s\S]*0::\/\n/,
    guestd: /^(?![\s\S]*\/default\/)[\s\S]*0::\/\n/,
    reason: "a cgroup namespace is always there, and the root file system of the test is another one",
  },
  {
    call: "UpdateRoutes",
    reference: /^\{"Routes":\[\{"dest":"0\.0\.0\.0","gateway":"10\.99\.0\.1","device":"eth0"\},\{"dest":"10\.99\.0\.0\/24",/,
    guestd:
      /^\{"Routes":\[\{"dest":"0\.0\.0\.0","gateway":"10\.99\.0\.1","device":"eth0"\},\{"dest":"10\.99\.0\.0\/24","device":"eth0","source":"10\.99\.0\.2","scope":253\}/,
    reason: "guestd tells the source of a route, and that IPv6 is v6; the other end of the test's card has a route as well",
  },
  {
    call: "ReadStdout",
    reference: /eth0: [\s\S]*link\/ether ([\da-f:]+) [\s\S]*default via 10\.99\.0\.1 dev eth0/,
    guestd:
      /eth0(@wire)?: [\s\S]*inet 10\.99\.0\.2\/24 brd 10\.99\.0\.255 scope global eth0\n[\s\S]*default via 10\.99\.0\.1 dev eth0 \n10\.99\.0\.0\/24 dev eth0 scope link {2}src 10\.99\.0\.2 \n10\.99\.0\.77 dev eth0 lladdr 02:00:00:00:00:77 .*PERMANENT/,
    reason: "the card of the test is one of a pair, and the kernel knows IPv6",
  },
];

export function knownDifference({ call, reference, guestd }: Difference): KnownDifference | undefined {
  return KNOWN_DIFFERENCES.find(
    (known) => known.call === call && known.reference.test(reference) && known.guestd.test(guestd),
  );
}
