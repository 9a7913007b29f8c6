import { ANSWER_ROOM } from "../../../agent/service/dispatch.ts";

/** Returns an encoded response in the form that handlers return: with room for a header in front. */
export const answer = (response: Uint8Array): Buffer => Buffer.concat([Buffer.alloc(ANSWER_ROOM), response]);
