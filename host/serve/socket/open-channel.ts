import { OperationError } from "../../operation-error.ts";
import { openCalls } from "../channel/calls-channel.ts";
import { openEvents } from "../channel/events-channel.ts";
import { openGuests } from "../channel/guests-channel.ts";
import { openLogs } from "../channel/logs-channel.ts";
import { openTerminal } from "../channel/terminal-channel.ts";
import type { ChannelKind } from "../protocol/socket.ts";
import type { OpenChannel } from "./channel.ts";

const KINDS: Readonly<Record<ChannelKind, OpenChannel>> = {
  guests: (_, port, context) => openGuests(port, context),
  terminal: openTerminal,
  logs: openLogs,
  events: openEvents,
  calls: openCalls,
};

/** Opens the channel that a page asks for. Throws OperationError. */
export const openChannel: OpenChannel = (fields, port, context) => {
  const kind = fields.text("kind");
  const open = Object.hasOwn(KINDS, kind) ? KINDS[kind as ChannelKind] : undefined;
  if (open === undefined) throw new OperationError(`kind ${JSON.stringify(kind)}: no such channel`);
  return open(fields, port, context);
};
