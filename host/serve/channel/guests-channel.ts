import { changesBetween } from "../protocol/guest-changes.ts";
import type { GuestTree } from "../protocol/guest-tree.ts";
import type { ServeContext } from "../serve-context.ts";
import type { Channel, ChannelPort } from "../socket/channel.ts";
import type { TreeState } from "../tree-feed.ts";

/** Sends the whole tree, then changes. A page that reads slowly gets fewer, larger ones. */
export function openGuests(port: ChannelPort, { feed }: Pick<ServeContext, "feed">): Channel {
  let sent: readonly GuestTree[] = feed.guests;
  let isWaiting = false;
  port.send({ whole: sent });
  const update = ({ guests, before, changes }: TreeState) => {
    if (isWaiting) return;
    if (port.isFull) {
      isWaiting = true;
      void port.drained().then(() => {
        isWaiting = false;
        update({ guests: feed.guests, before: undefined, changes: undefined });
      });
      return;
    }
    const news = before === sent ? changes : changesBetween(sent, guests);
    sent = guests;
    if (news !== undefined) port.send({ changes: news });
  };
  return { close: feed.onChange(update) };
}
