import { Channel, type ChannelListener } from "node:diagnostics_channel";

type Listeners = readonly ChannelListener[];

const CHANNELS = Symbol.for("guestd.subscribed-channels");

/** Returns the subscribers of every channel of node:diagnostics_channel in this process, from the first call on. */
export function subscriptions(): ReadonlyMap<Channel, Listeners> {
  return new Map([...watchedChannels()].map((channel) => [channel, listenersOf(channel)]));
}

/** Removes all subscribers that were not there `before`. The agent's parts subscribe for as long as it lives. */
export function unsubscribeSince(before: ReadonlyMap<Channel, Listeners>): void {
  for (const [channel, listeners] of subscriptions()) {
    const kept = before.get(channel) ?? [];
    for (const listener of listeners) if (!kept.includes(listener)) channel.unsubscribe(listener);
  }
}

/** Notes each channel at its first subscriber, for all copies of this module in the process. */
function watchedChannels(): Set<Channel> {
  const prototype: { [CHANNELS]?: Set<Channel>; subscribe: Channel["subscribe"] } = Channel.prototype;
  const known = prototype[CHANNELS];
  if (known !== undefined) return known;
  const channels = new Set<Channel>();
  const { subscribe } = prototype;
  // A channel has this prototype as long as it has no subscriber.
  prototype.subscribe = function (this: Channel, listener) {
    channels.add(this);
    subscribe.call(this, listener);
  };
  prototype[CHANNELS] = channels;
  return channels;
}

/** Node has no public list. */
function listenersOf(channel: Channel & { readonly _subscribers?: Listeners }): Listeners {
  if (!channel.hasSubscribers) return [];
  if (channel._subscribers === undefined) throw new Error("this Node keeps a channel's subscribers elsewhere");
  return [...channel._subscribers];
}
