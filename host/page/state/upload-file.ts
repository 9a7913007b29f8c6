import type { ErrorAnswer } from "../../serve/protocol/requests.ts";
import { ApiError } from "./api.ts";
import { secretHeader } from "./page-secret.ts";

/** Uploads a file. fetch doesn't report how much was sent, so this is an XMLHttpRequest. Rejects with ApiError. */
export function uploadFile(path: string, file: File, progress: (share: number) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const request = new XMLHttpRequest();
  request.open("PUT", path);
  for (const [name, value] of Object.entries(secretHeader())) request.setRequestHeader(name, value);
  request.upload.onprogress = ({ loaded, total }) => progress(total === 0 ? 1 : loaded / total);
  request.onerror = () => reject(new ApiError(0, `upload ${file.name}: the connection was lost`));
  request.onload = () => {
    if (request.status < 300) resolve();
    else reject(new ApiError(request.status, `upload ${file.name}: ${errorIn(request)}`));
  };
  request.send(file);
  return promise;
}

function errorIn({ responseText, status }: XMLHttpRequest): string {
  try {
    return (JSON.parse(responseText) as ErrorAnswer).error;
  } catch {
    return `HTTP status ${status}`;
  }
}
