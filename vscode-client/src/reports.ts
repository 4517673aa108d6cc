// What the server counted and wrote down, as text for a person.

export interface Explanation {
  readonly document: string;
  readonly line: number;
  readonly column: number;
  readonly outcome: string;
  readonly reason: string;
  readonly texts: readonly string[];
  readonly certainty: number | null;
  readonly confidence_floor: number;
  readonly answer: Answer | null;
  readonly ms: Readonly<Record<string, number>>;
}

interface Answer {
  readonly model: string;
  readonly device: string;
  readonly candidates: readonly Candidate[];
}

interface Candidate {
  readonly written: string;
  readonly shown: string;
  readonly reason: string | null;
  readonly confidence: number;
}

export interface Statistics {
  readonly shown: number;
  readonly accepted: number;
  readonly acceptance_rate: number | null;
  readonly retained_rate: number | null;
  readonly accepted_chars: number;
  readonly ms_p50: number | null;
  readonly ms_p95: number | null;
}

/** What became of the last request for a suggestion, and why; `now` says what Seedfill is doing. */
export function describeLast(last: Explanation | null | undefined, now: string): string {
  if (!last) return `No request for a suggestion has ended in this window yet.\nNow: ${now}\n`;
  const place = `${fileOf(last.document)}:${last.line}:${last.column}`;
  const times = Object.entries(last.ms).map(([part, ms]) => `${part} ${ms.toFixed(0)} ms`);
  return [
    `${place}  ${last.outcome}${last.reason ? `: ${last.reason}` : ""}`,
    ...last.texts.map((text) => `shown ${JSON.stringify(text)}`),
    ...(last.answer ? described(last.answer, last) : []),
    times.join(" · "),
    "",
  ].join("\n");
}

function described({ model, device, candidates }: Answer, last: Explanation): string[] {
  return [
    `${model} on ${device}; right with ${percent(last.certainty)}, shown unasked from ${percent(last.confidence_floor)}`,
    ...candidates.flatMap(({ written, shown, reason, confidence }, i) => [
      `  ${i + 1}. mean confidence ${percent(confidence)}${reason ? `: ${reason}` : ""}`,
      `     written  ${JSON.stringify(written)}`,
      `     left     ${JSON.stringify(shown)}`,
    ]),
  ];
}

/** The name of a document's file, or of the notebook that a cell is in. */
function fileOf(uri: string): string {
  const path = uri.replace(/#.*/, "");
  return decodeURIComponent(path.slice(path.lastIndexOf("/") + 1));
}

/** How suggestions fared on this machine. */
export function describeStatistics(counted: Statistics | null | undefined): string {
  if (!counted?.shown) return "No suggestion was counted on this machine yet.\n";
  return [
    `Suggestions shown     ${counted.shown}`,
    `accepted              ${counted.accepted} (${percent(counted.acceptance_rate)})`,
    `accepted and kept     ${percent(counted.retained_rate)}`,
    `characters accepted   ${counted.accepted_chars}`,
    `time to a suggestion  ${milliseconds(counted.ms_p50)}, one in twenty over ${milliseconds(counted.ms_p95)}`,
    "Counted on this machine alone, and sent nowhere.",
    "",
  ].join("\n");
}

function percent(fraction: number | null): string {
  return fraction === null ? "not known yet" : `${(100 * fraction).toFixed(0)} %`;
}

function milliseconds(duration: number | null): string {
  return duration === null ? "not known yet" : `${duration.toFixed(0)} ms`;
}
