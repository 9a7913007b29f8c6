import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { answer } from "./answer.ts";

const { v1 } = guestd;

/** First frames of a client of guestd.v1.Streams, and what it sends later. */
export const requests = {
  attach: codec("guestd.v1.Attach", v1.Attach),
  resize: codec("guestd.v1.Resize", v1.Resize),
  signal: codec("guestd.v1.Signal", v1.Signal),
  capture: codec("guestd.v1.CaptureRequest", v1.CaptureRequest),
  copy: codec("guestd.v1.Copy", v1.Copy),
  copyEnd: codec("guestd.v1.CopyEnd", v1.CopyEnd),
  core: codec("guestd.v1.CoreRequest", v1.CoreRequest),
  events: codec("guestd.v1.EventsRequest", v1.EventsRequest),
  forward: codec("guestd.v1.ForwardRequest", v1.ForwardRequest),
  forwardJoin: codec("guestd.v1.ForwardJoin", v1.ForwardJoin),
  forwardListen: codec("guestd.v1.ForwardListenRequest", v1.ForwardListenRequest),
  watch: codec("guestd.v1.WatchRequest", v1.WatchRequest),
};

/** Frames of an agent. */
export const answers = {
  hello: answer("guestd.v1.Hello", v1.Hello),
  gap: answer("guestd.v1.Gap", v1.Gap),
  exit: answer("guestd.v1.Exit", v1.Exit),
  time: answer("guestd.v1.Time", v1.Time),
  failure: answer("guestd.v1.Failure", v1.Failure),
  captureStarted: answer("guestd.v1.CaptureStarted", v1.CaptureStarted),
  captureInterface: answer("guestd.v1.CaptureInterface", v1.CaptureInterface),
  captureEnd: answer("guestd.v1.CaptureEnd", v1.CaptureEnd),
  copyReady: answer("guestd.v1.CopyReady", v1.CopyReady),
  copyEnd: answer("guestd.v1.CopyEnd", v1.CopyEnd),
  coreStart: answer("guestd.v1.CoreStart", v1.CoreStart),
  eventsStart: answer("guestd.v1.EventsStart", v1.EventsStart),
  event: answer("guestd.v1.Event", v1.Event),
  forwardRefusal: answer("guestd.v1.ForwardRefusal", v1.ForwardRefusal),
  watch: answer("guestd.v1.WatchUpdate", v1.WatchUpdate),
};

/** Encodes what a client reports in place of an agent without a stream of updates. */
export const watchUpdates = codec("guestd.v1.WatchUpdate", v1.WatchUpdate);
