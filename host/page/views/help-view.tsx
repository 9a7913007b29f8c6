import { Heading } from "../parts/heading.tsx";

const KEYS: readonly (readonly [string, string])[] = [
  ["Tab, Shift+Tab", "the next or previous link, button or field"],
  ["Up, Down", "in the overview: the line above or below"],
  ["Left, Right", "fold or unfold a guest or container"],
  ["Enter", "open the line's view"],
  ["/", "filter the overview"],
  ["l", "logs of the line's container or guest"],
  ["s", "terminals of the line's container"],
  ["d", "launch plan of the line's container, or boot of its guest"],
  ["Shift+Esc", "leave a terminal"],
];

/** The keys of the page. */
export function HelpView() {
  return (
    <div class="view">
      <div class="bar">
        <Heading title="Help" />
      </div>
      <table>
        <caption class="hidden">Keys</caption>
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">What it does</th>
          </tr>
        </thead>
        <tbody>
          {KEYS.map(([key, text]) => (
            <tr key={key}>
              <th scope="row">{key}</th>
              <td>{text}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h2>Words</h2>
      <dl class="facts">
        <div>
          <dt>PSI</dt>
          <dd>pressure: the share of the time in which tasks waited for a processor, memory or disks</dd>
        </div>
        <div>
          <dt>Unack</dt>
          <dd>bytes that a process has printed and that no client has acknowledged</dd>
        </div>
        <div>
          <dt>polled</dt>
          <dd>the guest has an agent without a stream of usage, so it is asked again and again</dd>
        </div>
      </dl>
    </div>
  );
}
