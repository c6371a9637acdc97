// What each program of `benches/peers` answers to; here for those on Node.js. The words are explained in the README of
// `benches/peers`, and are the same in every language.

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export const TABLES = `
  CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id uuid NOT NULL, total_cents integer NOT NULL,
    placed_at timestamptz NOT NULL);
  CREATE TABLE copies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, listener smallint NOT NULL, number integer NOT NULL);`;

/** The row that is written beside each job: `$1` is the job's number. Named, so that node-postgres prepares it once. */
export const INSERT_ORDER = {
  name: 'insert-order',
  text: `INSERT INTO orders (customer_id, total_cents, placed_at)
    VALUES ('5eed0000-0000-4000-8000-000000000001', $1, now())`,
};

/** What a listener does with an event: `$1` is the listener's number, `$2` the event's. */
export const INSERT_COPY = 'INSERT INTO copies (listener, number) VALUES ($1, $2)';

const NOTE = 'a job that says what to do, and to which of the things that it knows';
const TELL_EVERY_MS = 2;
const PATIENCE_MS = 30_000;

/** The payload, the same everywhere. */
export const job = (number) => ({ number, note: NOTE });

/** Microseconds since 1970: the one clock that all processes of a machine share. */
export const nowUs = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

/** The version that is installed beside this program. */
export const versionOf = (program, name) =>
  JSON.parse(readFileSync(new URL(`./node_modules/${name}/package.json`, program))).version;

/** Numbers from 0, a thousand at a time. */
export function* thousands(count) {
  for (let from = 0; from < count; from += 1000) {
    yield Array.from({ length: Math.min(1000, count - from) }, (_, index) => from + index);
  }
}

/** How many jobs have started, and, if asked for, when. */
class Seen {
  count = 0;
  starts = [];

  constructor(notesStarts) {
    this.notesStarts = notesStarts;
  }

  /** The first line of a job's handler. */
  job(number) {
    if (this.notesStarts) this.starts.push([number, nowUs()]);
    this.count += 1;
  }
}

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

/** Does what the command line asks for, with a peer `{ about, setUp, open }`. */
export async function run(peer) {
  const [task, ...words] = process.argv.slice(2);
  const named = {};
  for (let at = 0; at < words.length; at += 2) named[words[at].replace(/^--/, '')] = words[at + 1];
  const tasks = { about, setup, enqueue, bulk, work, produce, latency, deliver };
  if (!tasks[task]) throw new Error(`no task ${task}`);
  await tasks[task](peer, named);
  // Pools and timers of a peer may be left; everything has been said.
  process.exit(0);
}

const about = (peer) => say({ runtime: `Node.js ${process.versions.node}`, ...peer.about });
const setup = (peer, { url }) => peer.setUp(url);

async function enqueue(peer, { url, callers, n, seconds }) {
  const open = await peer.open(url, { callers: Number(callers) });
  const counted = n ? await soMany(open, Number(callers), Number(n)) : await forAWhile(open, Number(callers), Number(seconds));
  say(counted);
}

/** The first tenth of the time warms up and does not count. */
async function forAWhile(open, callers, seconds) {
  const begin = performance.now() + seconds * 100;
  const end = begin + seconds * 1000;
  let count = 0;
  const caller = async () => {
    while (performance.now() < end) {
      await open.enqueue(0);
      const now = performance.now();
      if (begin <= now && now < end) count += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { count, seconds };
}

async function soMany(open, callers, count) {
  let next = 0;
  const started = performance.now();
  const caller = async () => {
    while (next < count) await open.enqueue(next++);
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { count, seconds: (performance.now() - started) / 1000 };
}

async function bulk(peer, { url, n }) {
  const open = await peer.open(url, { callers: 1 });
  const started = performance.now();
  await open.bulk(Number(n));
  say({ count: Number(n), seconds: (performance.now() - started) / 1000 });
}

async function work(peer, { url, starts, processes }) {
  const latency = starts === 'true';
  const open = await peer.open(url, { callers: 4, latency });
  const seen = new Seen(latency);
  const lines = createInterface({ input: process.stdin });
  const stopped = new Promise((resolve) => lines.once('close', resolve));
  const go = new Promise((resolve) => lines.once('line', resolve));
  say({ ready: true });
  await go;
  let told = 0;
  const telling = setInterval(() => {
    if (seen.count === told) return;
    told = seen.count;
    say({ handled: told });
  }, TELL_EVERY_MS);
  const stop = await open.work(seen, { processes: Number(processes ?? 1), latency });
  await stopped;
  clearInterval(telling);
  await stop();
  say({ handled: seen.count, starts: seen.starts, ended: true });
  await new Promise((resolve) => process.stdout.write('', resolve));
}

async function produce(peer, { url, n, rate }) {
  const open = await peer.open(url, { callers: 1 });
  say({ sent: await atAPace(open, Number(n), Number(rate)) });
}

async function atAPace(open, count, rate) {
  const sent = [];
  const started = performance.now();
  for (let number = 0; number < count; number += 1) {
    const wait = started + (number * 1000) / rate - performance.now();
    if (wait > 0) await sleep(wait);
    sent.push([number, await open.enqueue(number)]);
  }
  return sent;
}

/** Producer and worker in one process. */
async function latency(peer, { url, n, rate }) {
  const open = await peer.open(url, { callers: 4, latency: true });
  const seen = new Seen(true);
  const stop = await open.work(seen, { processes: 1, latency: true });
  // The worker listens before the first job comes, as it does in life.
  await sleep(500);
  const sent = await atAPace(open, Number(n), Number(rate));
  const until = performance.now() + PATIENCE_MS;
  while (seen.count < Number(n) && performance.now() < until) await sleep(5);
  await stop();
  say({ sent, starts: seen.starts });
}

async function deliver(peer, { url, n, listeners }) {
  const open = await peer.open(url, { callers: 10 });
  if (!open.deliver) throw new Error('it has no events');
  const seconds = await open.deliver(Number(n), Number(listeners));
  say({ count: Number(n) * Number(listeners), seconds });
}
