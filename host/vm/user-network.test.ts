import { expect, test } from "vitest";
import type { PortForward } from "./port-forward.ts";
import { addForwards, hasConnections, removeForwards } from "./user-network.ts";

// As QEMU 7.2 prints it.
const HEAD = `Hub -1 (user):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
`;
const LISTENING = `${HEAD}  TCP[HOST_FORWARD]  15       127.0.0.1 33333       10.0.2.15    80     0     0\r
  UDP[HOST_FORWARD]  16               * 44444       10.0.2.15    53     0     0\r
`;

/** Plays QEMU's monitor for people. */
function playMonitor(answers: Readonly<Record<string, string>>) {
  const lines: string[] = [];
  const execute = async (
    _command: string,
    { "command-line": line = "" }: { readonly "command-line"?: string } = {},
  ) => {
    lines.push(line);
    return answers[line] ?? "";
  };
  return { qmp: { execute } as never, lines };
}

test.each([
  [LISTENING, false],
  [`${HEAD}  TCP[ESTABLISHED]   16       127.0.0.1 33333       10.0.2.15    80     0     0\r\n`, true],
  [`${HEAD}  TCP[SYN_SENT]      16       10.0.2.15 33333       192.0.2.1    80     0     0\r\n`, true],
  [`${HEAD}  UDP[236 sec]       17       10.0.2.15 33333       192.0.2.1    53     0     0\r\n`, false],
  ["", false],
])("connections of the user network are found: %#", async (table, has) => {
  expect(await hasConnections(playMonitor({ "info usernet": table }).qmp)).toBe(has);
});

const forward = (protocol: "tcp" | "udp", address: string, hostPort: number): PortForward => ({
  ...{ protocol, address, hostPort },
  guestPort: 80,
});

test("only ports at which QEMU doesn't listen are added", async () => {
  const { qmp, lines } = playMonitor({ "info usernet": LISTENING });
  await addForwards(qmp, [
    forward("tcp", "127.0.0.1", 33333),
    forward("tcp", "127.0.0.1", 3333),
    forward("tcp", "0.0.0.0", 33333),
    forward("udp", "0.0.0.0", 44444),
    forward("tcp", "0.0.0.0", 44444),
  ]);
  expect(lines).toEqual([
    "info usernet",
    "hostfwd_add user tcp:127.0.0.1:3333-10.0.2.15:80",
    "hostfwd_add user tcp:0.0.0.0:33333-10.0.2.15:80",
    "hostfwd_add user tcp:0.0.0.0:44444-10.0.2.15:80",
  ]);
});

test("a port that QEMU can't listen at is an error with its line, and ports are removed by their address on the host", async () => {
  const add = "hostfwd_add user tcp:127.0.0.1:80-10.0.2.15:80";
  const { qmp, lines } = playMonitor({
    [add]: "could not set up host forwarding rule 'tcp:127.0.0.1:80-10.0.2.15:80'\r\n",
  });
  await expect(addForwards(qmp, [forward("tcp", "127.0.0.1", 80)])).rejects.toThrow(
    "publish tcp port 80 of 127.0.0.1: QEMU: could not set up host forwarding rule 'tcp:127.0.0.1:80-10.0.2.15:80'",
  );
  await removeForwards(qmp, [forward("udp", "0.0.0.0", 53)]);
  expect(lines.at(-1)).toBe("hostfwd_remove user udp:0.0.0.0:53");
});
