import { dial } from "../../../host/client/dial.ts";
import type { Guest } from "../../../host/vm/guest.ts";

const LIMIT_MS = 50_000;

interface AgentLog extends AsyncDisposable {
  /** Returns the first result of `of` for a whole line of the log, from the log's opening on. */
  find<T>(of: (line: string) => T | undefined): Promise<T>;
}

/** Opens the agent's log: its last lines first, then new ones. Fails after 50 s. */
export async function openAgentLog(guest: Guest): Promise<AgentLog> {
  const log = await dial(guest.address(1025));
  const limit = setTimeout(() => log.destroy(new Error("no match within 50 s")), LIMIT_MS);
  const data = log[Symbol.asyncIterator]();
  let text = "";
  const more = async () => {
    const { value, done } = await data.next();
    if (done === true) throw new Error("it has ended");
    text += String(value);
  };
  return {
    async find(of) {
      for (;;) {
        for (const line of text.split("\n").slice(0, -1)) {
          const found = of(line);
          if (found !== undefined) return found;
        }
        await more().catch((error: Error) => {
          throw new Error(`the agent's log has no such line (${error.message}); its end: ${text.slice(-2000)}`);
        });
      }
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(limit);
      log.destroy();
    },
  };
}
