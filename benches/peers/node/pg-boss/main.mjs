// pg-boss: https://www.npmjs.com/package/pg-boss

import pg from 'pg';
import { PgBoss } from 'pg-boss';
import { INSERT_COPY, INSERT_ORDER, TABLES, job, nowUs, run, thousands, versionOf } from '../contract.mjs';

const QUEUE = 'work';
const WORK = { batchSize: 1000, localConcurrency: 2, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true };

async function start(url, settings) {
  const boss = new PgBoss({ connectionString: url, ...settings });
  boss.on('error', (error) => process.stderr.write(`pg-boss: ${error.message}\n`));
  await boss.start();
  return boss;
}

class Boss {
  constructor(boss, pool) {
    this.boss = boss;
    this.pool = pool;
  }

  /** `send` with the `db` of the caller's transaction, as its docs say. */
  async enqueue(number) {
    const client = await this.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query({ ...INSERT_ORDER, values: [number] });
      await this.boss.send(QUEUE, job(number), { db: { executeSql: (text, values) => client.query(text, values) } });
      const sent = nowUs();
      await client.query('COMMIT');
      return sent;
    } finally {
      client.release();
    }
  }

  async bulk(count) {
    await this.insert(QUEUE, count);
  }

  async insert(queue, count) {
    for (const numbers of thousands(count)) {
      await this.boss.insert(queue, numbers.map((number) => ({ data: job(number) })));
    }
  }

  async work(seen) {
    await this.boss.work(QUEUE, WORK, async (jobs) => {
      for (const { data } of jobs) seen.job(data.number);
    });
    return () => this.boss.stop({ graceful: false });
  }

  /**
   * `publish` sends one job to the queue of every subscriber; there is none for many, so its subscribers' queues are filled with
   * `insert`. A listener's rows and the completion of its batch are one transaction, as they are for the others.
   */
  async deliver(events, listeners) {
    const queues = Array.from({ length: listeners }, (_, index) => `listener-${index + 1}`);
    for (const queue of queues) {
      await this.boss.createQueue(queue);
      await this.boss.subscribe('placed', queue);
      await this.insert(queue, events);
    }
    const started = performance.now();
    let left = events * listeners;
    await new Promise((resolve, reject) => {
      queues.forEach((queue, index) => {
        const handler = async (jobs, tx) => {
          for (const { data } of jobs) await tx.executeSql(INSERT_COPY, [index + 1, data.number]);
          left -= jobs.length;
          if (left === 0) resolve();
        };
        const options = { ...WORK, localConcurrency: 1, transactional: true };
        this.boss.work(queue, options, handler).catch(reject);
      });
    });
    // What was handled last has still to be committed.
    for (;;) {
      const { rows } = await this.pool.query('SELECT count(*)::int AS copies FROM copies');
      if (rows[0].copies === events * listeners) return (performance.now() - started) / 1000;
    }
  }
}

await run({
  about: {
    version: versionOf(import.meta.url, 'pg-boss'),
    keeps: true,
    configuration:
      'batchSize 1000, localConcurrency 2, burstWhenBatchFull, pollingIntervalSeconds 0.5 (pgboss.io/api/workers); for latency ' +
      'useListenNotify and the queue\'s notify, which puts NOTIFY into the transaction that enqueues',
    unfinished: `SELECT count(*) FROM pgboss.job WHERE state < 'completed'`,
    can: ['enqueue', 'bulk', 'drain', 'latency', 'produce', 'deliver'],
  },
  async setUp(url) {
    const boss = await start(url);
    await boss.createQueue(QUEUE);
    const pool = new pg.Pool({ connectionString: url });
    await pool.query(TABLES);
    await boss.stop({ graceful: false });
  },
  async open(url, { callers, latency }) {
    if (latency) {
      const boss = await start(url);
      await boss.updateQueue(QUEUE, { notify: true });
      await boss.stop({ graceful: false });
    }
    const boss = await start(url, { useListenNotify: Boolean(latency) });
    return new Boss(boss, new pg.Pool({ connectionString: url, max: Math.max(callers, 4) }));
  },
});
