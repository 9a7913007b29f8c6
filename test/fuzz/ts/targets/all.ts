import type { FuzzTarget } from "../target.ts";
import { agentReplies } from "./agent-replies.ts";
import { archives } from "./archives.ts";
import { cdiFiles } from "./cdi-files.ts";
import { connections } from "./connections.ts";
import { grpcConnections } from "./grpc-connections.ts";
import { grpcRequests } from "./grpc-requests.ts";
import { images } from "./images.ts";
import { initMessages } from "./init-messages.ts";
import { inspections } from "./inspections.ts";
import { journals } from "./journals.ts";
import { layers } from "./layers.ts";
import { messages } from "./messages.ts";
import { options } from "./options.ts";
import { procTexts } from "./proc-texts.ts";
import { registryAnswers } from "./registry-answers.ts";
import { registryHttp } from "./registry-http.ts";
import { requests } from "./requests.ts";
import { resumptions } from "./resumptions.ts";
import { specs } from "./specs.ts";
import { states } from "./states.ts";
import { storages } from "./storages.ts";
import { streamFrames } from "./stream-frames.ts";
import { ttrpcFrames } from "./ttrpc-frames.ts";
import { uevents } from "./uevents.ts";

export const targets: readonly FuzzTarget[] = [
  ...[ttrpcFrames, streamFrames, connections, grpcConnections, grpcRequests, messages, requests, specs, storages],
  ...[layers, images, registryAnswers, registryHttp, archives, inspections],
  ...[options, uevents, cdiFiles, procTexts],
  ...[initMessages, states, journals, resumptions, agentReplies],
];
