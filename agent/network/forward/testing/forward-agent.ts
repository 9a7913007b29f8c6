import { appendFileSync } from "node:fs";
import { activity } from "../../../kernel/activity.ts";
import { openForwardLedger } from "../../../kernel/journal/forward-ledger.ts";
import { openSys } from "../../../kernel/sys/sys.ts";
import { Forwards } from "../forwards.ts";
import { plainProtocol } from "./plain-protocol.ts";

/**
 * A process that continues one forwarded connection, until it ends or the process is killed. Its arguments: the ledger's file,
 * a file to which it adds the names of withdrawn descriptors, and the names of those it has from number 3 on.
 */
const [, , ledgerPath = "", withdrawnPath = "", ...names] = process.argv;
const sys = openSys();
const init = {
  greeting: { deposits: new Map(names.map((name, at) => [name, 3 + at])) } as never,
  deposit: () => undefined,
  withdraw: (name: string) => appendFileSync(withdrawnPath, `${name}\n`),
};
const ledger = openForwardLedger(ledgerPath, (fd, length) => sys.mapShared(fd, length));
const forwards = new Forwards({ sys, init, ledger, protocol: plainProtocol });
activity.subscribe(() => {
  if (forwards.size === 0) process.exit(0);
});
