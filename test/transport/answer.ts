import { ANSWER_ROOM } from "../../agent/service/dispatch.ts";

/** An encoded response as a handler answers with it. */
export const answer = (response: Uint8Array): Buffer => Buffer.concat([Buffer.alloc(ANSWER_ROOM), response]);
