// graphile-worker: https://www.npmjs.com/package/graphile-worker

import { Logger, makeWorkerUtils, run as runWorker } from 'graphile-worker';
import pg from 'pg';
import { INSERT_ORDER, TABLES, job, nowUs, run, thousands, versionOf } from '../contract.mjs';

// Errors only: at its usual level it writes a line for every job.
const logger = new Logger(() => (level, message) => {
  if (level === 'error') process.stderr.write(`graphile-worker: ${message}\n`);
});

const ADD_JOB = {
  name: 'add-job',
  text: `SELECT graphile_worker.add_job('work', payload := $1::json)`,
};

function connect(url, max) {
  const pool = new pg.Pool({ connectionString: url, max });
  // graphile-worker insists on both.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

class Graphile {
  constructor(url, pool) {
    this.url = url;
    this.pool = pool;
  }

  /** Its SQL function in the caller's transaction: https://worker.graphile.org/docs/sql-add-job */
  async enqueue(number) {
    const client = await this.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query({ ...INSERT_ORDER, values: [number] });
      await client.query({ ...ADD_JOB, values: [JSON.stringify(job(number))] });
      const sent = nowUs();
      await client.query('COMMIT');
      return sent;
    } finally {
      client.release();
    }
  }

  async bulk(count) {
    const utils = await makeWorkerUtils({ pgPool: this.pool, logger });
    for (const numbers of thousands(count)) {
      await utils.addJobs(numbers.map((number) => ({ identifier: 'work', payload: job(number) })));
    }
  }

  async work(seen, { latency }) {
    // https://worker.graphile.org/docs/performance: this is what its own figures were made with. The local queue and the
    // batches are for throughput, and are left out where it is latency that counts.
    const batches = latency ? {} : { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
    const runner = await runWorker({
      preset: { worker: { connectionString: this.url, concurrentJobs: 24, maxPoolSize: 25, ...batches } },
      taskList: { work: async (payload) => seen.job(payload.number) },
      logger,
      noHandleSignals: true,
    });
    return () => runner.stop();
  }
}

await run({
  about: {
    version: versionOf(import.meta.url, 'graphile-worker'),
    keeps: false,
    configuration:
      'concurrentJobs 24, maxPoolSize 25, localQueue.size 500, completeJobBatchDelay 0, failJobBatchDelay 0 ' +
      '(worker.graphile.org/docs/performance); for latency without local queue and batches',
    unfinished: 'SELECT count(*) FROM graphile_worker._private_jobs',
    can: ['enqueue', 'bulk', 'drain', 'latency', 'produce'],
  },
  async setUp(url) {
    const pool = connect(url, 4);
    const utils = await makeWorkerUtils({ pgPool: pool, logger });
    await utils.migrate();
    await pool.query(TABLES);
  },
  async open(url, { callers }) {
    return new Graphile(url, connect(url, Math.max(callers, 4)));
  },
});
