import type { CallsMessage, OpenCalls } from "./calls.ts";
import type { EventsMessage, OpenEvents } from "./events.ts";
import type { GuestsChanges } from "./guest-changes.ts";
import type { GuestTree } from "./guest-tree.ts";
import type { LogsCommand, LogsMessage, OpenLogs } from "./logs.ts";
import type { OpenTerminal, TerminalCommand, TerminalMessage } from "./terminal.ts";

/**
 * The WebSocket /api/socket carries JSON in text frames, and a terminal's bytes in binary ones. Channels have numbers that the
 * client chooses, from 1 to 2^32 - 1, each used once on a connection.
 */
export type ClientFrame = OpenFrame | CloseFrame | ToFrame;

export type OpenFrame = { readonly open: number } & OpenChannel;
export interface CloseFrame {
  readonly close: number;
}
export type ToFrame = { readonly to: number } & (TerminalCommand | LogsCommand);

export type OpenChannel = OpenGuests | OpenLogs | OpenEvents | OpenTerminal | OpenCalls;
export type ChannelKind = OpenChannel["kind"];

/** All guests: the whole tree first, then changes, at most ten times a second. */
export interface OpenGuests {
  readonly kind: "guests";
}

/** A message of a channel, or its end. After `end`, the number is free of meaning: nothing more arrives for it. */
export type ServerFrame =
  | ({ readonly on: number } & ChannelMessage)
  | {
      readonly end: number;
      /** One line; absent if the channel ended as it should, or the client closed it. */
      readonly error?: string | undefined;
    };

export type ChannelMessage = GuestsMessage | LogsMessage | EventsMessage | TerminalMessage | CallsMessage;

export type GuestsMessage = { readonly whole: readonly GuestTree[] } | { readonly changes: GuestsChanges };

/** Bytes of the channel's number before the payload of a binary frame, big endian. */
const CHANNEL_BYTES = 4;

/** Returns a binary frame. */
export function binaryFrame(channel: number, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(CHANNEL_BYTES + bytes.length);
  new DataView(frame.buffer).setUint32(0, channel);
  frame.set(bytes, CHANNEL_BYTES);
  return frame;
}

/** Returns the channel and the payload of a binary frame, which share its memory; undefined if it is too short. */
export function parseBinaryFrame(
  frame: Uint8Array,
): { readonly channel: number; readonly bytes: Uint8Array } | undefined {
  if (frame.length < CHANNEL_BYTES) return undefined;
  const channel = new DataView(frame.buffer, frame.byteOffset, frame.byteLength).getUint32(0);
  return { channel, bytes: frame.subarray(CHANNEL_BYTES) };
}
