import { type AnyCodec, type Codec, codec } from "./codec.ts";
import { google, grpc, guestd, types } from "./gen/messages.js";

/** A call: its path and the codecs of its two messages. No method of the protocol streams. */
export interface Method<Request, Response> {
  /** Path as in gRPC, such as "/grpc.Health/Check". */
  readonly path: string;
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;
}

function method<Request, Response>(
  path: string,
  request: Codec<Request>,
  response: Codec<Response>,
): Method<Request, Response> {
  return { path, request, response };
}

const empty = codec("google.protobuf.Empty", google.protobuf.Empty);
const readStreamRequest = codec("grpc.ReadStreamRequest", grpc.ReadStreamRequest);
const readStreamResponse = codec("grpc.ReadStreamResponse", grpc.ReadStreamResponse);
const routes = codec("grpc.Routes", grpc.Routes);
const checkRequest = codec("grpc.CheckRequest", grpc.CheckRequest);

/** Containers, processes, sandbox, devices and network of the guest. */
export const agentService = {
  CreateContainer: method(
    "/grpc.AgentService/CreateContainer",
    codec("grpc.CreateContainerRequest", grpc.CreateContainerRequest),
    empty,
  ),
  StartContainer: method(
    "/grpc.AgentService/StartContainer",
    codec("grpc.StartContainerRequest", grpc.StartContainerRequest),
    empty,
  ),
  RemoveContainer: method(
    "/grpc.AgentService/RemoveContainer",
    codec("grpc.RemoveContainerRequest", grpc.RemoveContainerRequest),
    empty,
  ),
  ExecProcess: method(
    "/grpc.AgentService/ExecProcess",
    codec("grpc.ExecProcessRequest", grpc.ExecProcessRequest),
    empty,
  ),
  SignalProcess: method(
    "/grpc.AgentService/SignalProcess",
    codec("grpc.SignalProcessRequest", grpc.SignalProcessRequest),
    empty,
  ),
  WaitProcess: method(
    "/grpc.AgentService/WaitProcess",
    codec("grpc.WaitProcessRequest", grpc.WaitProcessRequest),
    codec("grpc.WaitProcessResponse", grpc.WaitProcessResponse),
  ),
  UpdateContainer: method(
    "/grpc.AgentService/UpdateContainer",
    codec("grpc.UpdateContainerRequest", grpc.UpdateContainerRequest),
    empty,
  ),
  UpdateEphemeralMounts: method(
    "/grpc.AgentService/UpdateEphemeralMounts",
    codec("grpc.UpdateEphemeralMountsRequest", grpc.UpdateEphemeralMountsRequest),
    empty,
  ),
  StatsContainer: method(
    "/grpc.AgentService/StatsContainer",
    codec("grpc.StatsContainerRequest", grpc.StatsContainerRequest),
    codec("grpc.StatsContainerResponse", grpc.StatsContainerResponse),
  ),
  PauseContainer: method(
    "/grpc.AgentService/PauseContainer",
    codec("grpc.PauseContainerRequest", grpc.PauseContainerRequest),
    empty,
  ),
  ResumeContainer: method(
    "/grpc.AgentService/ResumeContainer",
    codec("grpc.ResumeContainerRequest", grpc.ResumeContainerRequest),
    empty,
  ),
  RemoveStaleVirtiofsShareMounts: method(
    "/grpc.AgentService/RemoveStaleVirtiofsShareMounts",
    codec("grpc.RemoveStaleVirtiofsShareMountsRequest", grpc.RemoveStaleVirtiofsShareMountsRequest),
    empty,
  ),
  GetDiagnosticData: method(
    "/grpc.AgentService/GetDiagnosticData",
    codec("grpc.GetDiagnosticDataRequest", grpc.GetDiagnosticDataRequest),
    codec("grpc.GetDiagnosticDataResponse", grpc.GetDiagnosticDataResponse),
  ),
  WriteStdin: method(
    "/grpc.AgentService/WriteStdin",
    codec("grpc.WriteStreamRequest", grpc.WriteStreamRequest),
    codec("grpc.WriteStreamResponse", grpc.WriteStreamResponse),
  ),
  ReadStdout: method("/grpc.AgentService/ReadStdout", readStreamRequest, readStreamResponse),
  ReadStderr: method("/grpc.AgentService/ReadStderr", readStreamRequest, readStreamResponse),
  CloseStdin: method("/grpc.AgentService/CloseStdin", codec("grpc.CloseStdinRequest", grpc.CloseStdinRequest), empty),
  TtyWinResize: method(
    "/grpc.AgentService/TtyWinResize",
    codec("grpc.TtyWinResizeRequest", grpc.TtyWinResizeRequest),
    empty,
  ),
  UpdateInterface: method(
    "/grpc.AgentService/UpdateInterface",
    codec("grpc.UpdateInterfaceRequest", grpc.UpdateInterfaceRequest),
    codec("types.Interface", types.Interface),
  ),
  UpdateRoutes: method(
    "/grpc.AgentService/UpdateRoutes",
    codec("grpc.UpdateRoutesRequest", grpc.UpdateRoutesRequest),
    routes,
  ),
  ListInterfaces: method(
    "/grpc.AgentService/ListInterfaces",
    codec("grpc.ListInterfacesRequest", grpc.ListInterfacesRequest),
    codec("grpc.Interfaces", grpc.Interfaces),
  ),
  ListRoutes: method("/grpc.AgentService/ListRoutes", codec("grpc.ListRoutesRequest", grpc.ListRoutesRequest), routes),
  AddARPNeighbors: method(
    "/grpc.AgentService/AddARPNeighbors",
    codec("grpc.AddARPNeighborsRequest", grpc.AddARPNeighborsRequest),
    empty,
  ),
  GetIPTables: method(
    "/grpc.AgentService/GetIPTables",
    codec("grpc.GetIPTablesRequest", grpc.GetIPTablesRequest),
    codec("grpc.GetIPTablesResponse", grpc.GetIPTablesResponse),
  ),
  SetIPTables: method(
    "/grpc.AgentService/SetIPTables",
    codec("grpc.SetIPTablesRequest", grpc.SetIPTablesRequest),
    codec("grpc.SetIPTablesResponse", grpc.SetIPTablesResponse),
  ),
  GetMetrics: method(
    "/grpc.AgentService/GetMetrics",
    codec("grpc.GetMetricsRequest", grpc.GetMetricsRequest),
    codec("grpc.Metrics", grpc.Metrics),
  ),
  MemAgentMemcgSet: method(
    "/grpc.AgentService/MemAgentMemcgSet",
    codec("grpc.MemAgentMemcgConfig", grpc.MemAgentMemcgConfig),
    empty,
  ),
  MemAgentCompactSet: method(
    "/grpc.AgentService/MemAgentCompactSet",
    codec("grpc.MemAgentCompactConfig", grpc.MemAgentCompactConfig),
    empty,
  ),
  CreateSandbox: method(
    "/grpc.AgentService/CreateSandbox",
    codec("grpc.CreateSandboxRequest", grpc.CreateSandboxRequest),
    empty,
  ),
  DestroySandbox: method(
    "/grpc.AgentService/DestroySandbox",
    codec("grpc.DestroySandboxRequest", grpc.DestroySandboxRequest),
    empty,
  ),
  OnlineCPUMem: method(
    "/grpc.AgentService/OnlineCPUMem",
    codec("grpc.OnlineCPUMemRequest", grpc.OnlineCPUMemRequest),
    empty,
  ),
  ReseedRandomDev: method(
    "/grpc.AgentService/ReseedRandomDev",
    codec("grpc.ReseedRandomDevRequest", grpc.ReseedRandomDevRequest),
    empty,
  ),
  GetGuestDetails: method(
    "/grpc.AgentService/GetGuestDetails",
    codec("grpc.GuestDetailsRequest", grpc.GuestDetailsRequest),
    codec("grpc.GuestDetailsResponse", grpc.GuestDetailsResponse),
  ),
  MemHotplugByProbe: method(
    "/grpc.AgentService/MemHotplugByProbe",
    codec("grpc.MemHotplugByProbeRequest", grpc.MemHotplugByProbeRequest),
    empty,
  ),
  SetGuestDateTime: method(
    "/grpc.AgentService/SetGuestDateTime",
    codec("grpc.SetGuestDateTimeRequest", grpc.SetGuestDateTimeRequest),
    empty,
  ),
  CopyFile: method("/grpc.AgentService/CopyFile", codec("grpc.CopyFileRequest", grpc.CopyFileRequest), empty),
  GetOOMEvent: method(
    "/grpc.AgentService/GetOOMEvent",
    codec("grpc.GetOOMEventRequest", grpc.GetOOMEventRequest),
    codec("grpc.OOMEvent", grpc.OOMEvent),
  ),
  AddSwap: method("/grpc.AgentService/AddSwap", codec("grpc.AddSwapRequest", grpc.AddSwapRequest), empty),
  AddSwapPath: method(
    "/grpc.AgentService/AddSwapPath",
    codec("grpc.AddSwapPathRequest", grpc.AddSwapPathRequest),
    empty,
  ),
  GetVolumeStats: method(
    "/grpc.AgentService/GetVolumeStats",
    codec("grpc.VolumeStatsRequest", grpc.VolumeStatsRequest),
    codec("grpc.VolumeStatsResponse", grpc.VolumeStatsResponse),
  ),
  ResizeVolume: method(
    "/grpc.AgentService/ResizeVolume",
    codec("grpc.ResizeVolumeRequest", grpc.ResizeVolumeRequest),
    empty,
  ),
  SetPolicy: method("/grpc.AgentService/SetPolicy", codec("grpc.SetPolicyRequest", grpc.SetPolicyRequest), empty),
} as const;

/** Health and version of the agent. */
export const health = {
  Check: method("/grpc.Health/Check", checkRequest, codec("grpc.HealthCheckResponse", grpc.HealthCheckResponse)),
  Version: method("/grpc.Health/Version", checkRequest, codec("grpc.VersionCheckResponse", grpc.VersionCheckResponse)),
} as const;

/** guestd's own calls, which Kata's protocol lacks. */
export const guest = {
  Explain: method(
    "/guestd.v1.Guest/Explain",
    codec("guestd.v1.ExplainRequest", guestd.v1.ExplainRequest),
    codec("guestd.v1.ExplainResponse", guestd.v1.ExplainResponse),
  ),
  Upgrade: method(
    "/guestd.v1.Guest/Upgrade",
    codec("guestd.v1.UpgradeRequest", guestd.v1.UpgradeRequest),
    codec("guestd.v1.UpgradeResponse", guestd.v1.UpgradeResponse),
  ),
  Running: method(
    "/guestd.v1.Guest/Running",
    codec("guestd.v1.RunningRequest", guestd.v1.RunningRequest),
    codec("guestd.v1.RunningResponse", guestd.v1.RunningResponse),
  ),
  Kill: method(
    "/guestd.v1.Guest/Kill",
    codec("guestd.v1.KillRequest", guestd.v1.KillRequest),
    codec("guestd.v1.KillResponse", guestd.v1.KillResponse),
  ),
} as const;

/** All services by full name, with methods by proto name. */
export const services = {
  "grpc.AgentService": agentService,
  "grpc.Health": health,
  "guestd.v1.Guest": guest,
} as const;

/** Any method of any service, without its message types. */
export interface AnyMethod {
  readonly path: string;
  readonly request: AnyCodec;
  readonly response: AnyCodec;
}

/** Decoded request of a method. */
export type RequestOf<M> = M extends Method<infer Request, infer _> ? Request : never;

/** Decoded response of a method. */
export type ResponseOf<M> = M extends Method<infer _, infer Response> ? Response : never;
