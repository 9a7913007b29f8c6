import type { CheckedFields } from "../checked-fields.ts";
import { targetOf } from "../find-target.ts";
import type { ServeContext } from "../serve-context.ts";
import type { Channel, ChannelPort } from "../socket/channel.ts";

/** Opens the calls of a guest's agent. Throws RequestFailure. */
export function openCalls(fields: CheckedFields, port: ChannelPort, context: ServeContext): Channel {
  const guest = fields.text("guest");
  let dropped = 0;
  const close = context.spans.listen(guest, targetOf(context, guest), {
    spans(spans) {
      if (port.isFull) {
        dropped += spans.length;
        return;
      }
      if (dropped > 0) port.send({ droppedSpans: dropped });
      dropped = 0;
      port.send({ spans });
    },
    source: (source, isReceiving) => port.send({ source, isReceiving }),
  });
  return { close };
}
