import { AgentError } from "../error.ts";
import type { ExitStatus, Fd, InitGreeting } from "../kernel.ts";
import { InitClient, type InitSys } from "./init-client.ts";
import { InitSocket } from "./init-socket.ts";

/**
 * Reads init's greeting from the socket that this process inherited; `fd` is the value of GUESTD_INIT_FD. Takes ownership of
 * the descriptor. Throws AgentError if init didn't start this process.
 */
export async function openInit(sys: InitSys, fd: string | undefined): Promise<InitClient> {
  const number = Number(fd);
  if (fd === undefined || !Number.isInteger(number) || number < 3) {
    throw new AgentError(
      "failed-precondition",
      `environment GUESTD_INIT_FD=${fd ?? ""}: no socket to init; start the agent by guestd-init`,
    );
  }
  const socket = new InitSocket(sys, number);
  const processes: InitGreeting["processes"][number][] = [];
  const deposits = new Map<string, Fd>();
  const exits = new Map<number, PromiseWithResolvers<ExitStatus>>();
  // Init sends the greeting before Node has started: it is there already, and the event loop's first turn isn't waited for.
  for (; ; await socket.readable()) {
    for (let reply = socket.receive(); reply !== undefined; reply = socket.receive()) {
      if (reply.type === "process") {
        const { type: _, exit: exited, ...process } = reply;
        const exit = Promise.withResolvers<ExitStatus>();
        if (exited === undefined) exits.set(process.id, exit);
        else exit.resolve(exited);
        processes.push({ ...process, exit: exit.promise, exited });
      } else if (reply.type === "kept") deposits.set(reply.name, reply.fd);
      else if (reply.type === "ready") {
        const { generation, initStartMicros, agentExecMicros } = reply;
        const greeting = { generation, initStartMicros, agentExecMicros, processes, deposits };
        return new InitClient(sys, socket, greeting, exits);
      }
    }
  }
}
