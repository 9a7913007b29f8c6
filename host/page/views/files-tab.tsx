import { useSignal } from "@preact/signals";
import { shortSize } from "../../engine/tree/short-text.ts";
import type { FileEntry, FilesAnswer } from "../../serve/protocol/files.ts";
import { Loading } from "../parts/loading.tsx";
import { useJson } from "../parts/use-json.ts";
import { Wide } from "../parts/wide.tsx";
import { apiPath, download } from "../state/api.ts";
import { say, sayError, whyReadOnly } from "../state/page-state.ts";
import { uploadFile } from "../state/upload-file.ts";

interface FilesTabProps {
  readonly guest: string;
  readonly container: string;
}

/** The container's files: directories to walk, files to download, and uploads. */
export function FilesTab({ guest, container }: FilesTabProps) {
  const path = useSignal("/");
  const place = (kind: "file" | "files", of: string) =>
    `${apiPath("guests", guest, "containers", container, kind)}?path=${encodeURIComponent(of)}`;
  const { loaded, reload } = useJson<FilesAnswer>(place("files", path.value));
  const upload = async (files: readonly File[]) => {
    for (const file of files) {
      const shown = (share: number) => say(`uploading ${file.name}: ${(share * 100).toFixed(0)} %`);
      await uploadFile(place("file", joined(path.value, file.name)), file, shown);
      say(`uploaded ${file.name}, ${shortSize(file.size)} bytes, to ${path.value}`);
    }
    reload();
  };
  const why = whyReadOnly();
  return (
    <>
      <div class="buttons">
        <Path path={path.value} open={(next) => (path.value = next)} />
        <button type="button" onClick={reload}>
          Read again
        </button>
        <label class={`upload ${why === undefined ? "" : "disabled"}`} title={why}>
          Upload{" "}
          <input
            type="file"
            multiple
            disabled={why !== undefined}
            onChange={({ currentTarget }) => {
              void upload([...(currentTarget.files ?? [])]).catch(sayError);
              currentTarget.value = "";
            }}
          />
        </label>
        {why !== undefined && <span class="quiet">{why}</span>}
      </div>
      <Loading loaded={loaded.value} what={path.value}>
        {({ files, isTruncated }) => (
          <Wide label="files">
            <table>
              <caption class="hidden">Files in {path.value}</caption>
              <thead>
                <tr>
                  <th scope="col">Name</th>
                  <th scope="col">Mode</th>
                  <th scope="col">Owner</th>
                  <th scope="col" class="number">
                    Size
                  </th>
                  <th scope="col">Modified</th>
                  <th scope="col">Download</th>
                </tr>
              </thead>
              <tbody>
                {files.map((file) => (
                  <FileRow
                    key={file.name}
                    file={file}
                    href={place("file", joined(path.value, file.name))}
                    open={() => (path.value = joined(path.value, file.name))}
                  />
                ))}
              </tbody>
            </table>
            {files.length === 0 && <p class="quiet">The directory is empty.</p>}
            {isTruncated && <p class="quiet">There are more files than are listed.</p>}
          </Wide>
        )}
      </Loading>
    </>
  );
}

interface FileRowProps {
  readonly file: FileEntry;
  readonly href: string;
  open(): void;
}

function FileRow({ file: { name, type, size, mode, uid, gid, modified }, href, open }: FileRowProps) {
  return (
    <tr>
      <th scope="row">
        {type === "directory" ? (
          <button type="button" class="link" onClick={open}>
            {name}/
          </button>
        ) : (
          <span>
            {name}
            {type === "link" && <span class="quiet"> link</span>}
            {type === "other" && <span class="quiet"> special</span>}
          </span>
        )}
      </th>
      <td class="code">{(mode & 0o7777).toString(8).padStart(4, "0")}</td>
      <td>
        {uid}:{gid}
      </td>
      <td class="number">{type === "directory" ? "-" : shortSize(size)}</td>
      <td>{new Date(modified).toLocaleString(undefined, { hour12: false })}</td>
      <td>
        {(type === "file" || type === "link") && (
          <a
            href={href}
            onClick={(event) => {
              event.preventDefault();
              void download(href, name).catch(sayError);
            }}
          >
            Download<span class="hidden"> {name}</span>
          </a>
        )}
      </td>
    </tr>
  );
}

/** The directories above the present one, as buttons. */
function Path({ path, open }: { readonly path: string; open(path: string): void }) {
  const names = path.split("/").filter(Boolean);
  return (
    <nav class="path" aria-label="directory">
      <button type="button" class="link" onClick={() => open("/")}>
        /
      </button>
      {names.map((name, index) => {
        const to = `/${names.slice(0, index + 1).join("/")}`;
        return (
          <button key={to} type="button" class="link" onClick={() => open(to)}>
            {name}/
          </button>
        );
      })}
    </nav>
  );
}

function joined(directory: string, name: string): string {
  return `${directory.replace(/\/$/, "")}/${name}`;
}
