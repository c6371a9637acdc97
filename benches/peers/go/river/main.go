// River: https://riverqueue.com, github.com/riverqueue/river.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

func main() {
	if err := run(riverPeer{}); err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
}

type workArgs struct {
	Number int    `json:"number"`
	Note   string `json:"note"`
}

func (workArgs) Kind() string { return "work" }

type worker struct {
	river.WorkerDefaults[workArgs]
	seen *seen
}

func (w *worker) Work(_ context.Context, job *river.Job[workArgs]) error {
	w.seen.job(job.Args.Number)
	return nil
}

type riverPeer struct{}

func (riverPeer) about() about {
	version := "unknown"
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if module.Path == "github.com/riverqueue/river" {
				version = strings.TrimPrefix(module.Version, "v")
			}
		}
	}
	return about{
		Version: version,
		Runtime: runtime.Version() + ", pgx",
		Keeps:   true,
		Configuration: "as its own benchmark (cmd/river/riverbench in its repository): FetchCooldown 2 ms, FetchPollInterval 20 ms, " +
			"MaxWorkers 2,000; pgx with LISTEN; InsertManyFast (COPY) for many; its completer works in batches by itself",
		Unfinished: "SELECT count(*) FROM river_job WHERE finalized_at IS NULL",
		Can:        []string{"enqueue", "bulk", "drain", "latency", "produce"},
	}
}

func (riverPeer) setUp(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: logger()})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, tables)
	return err
}

func (riverPeer) open(ctx context.Context, url string, callers int) (running, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(max(callers, 10))
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: logger()})
	if err != nil {
		return nil, err
	}
	return &openRiver{pool: pool, client: client}, nil
}

type openRiver struct {
	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx]
}

func (o *openRiver) enqueue(ctx context.Context, number int) (int64, error) {
	tx, err := o.pool.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := tx.Exec(ctx, insertOrder, number); err != nil {
		return 0, err
	}
	if _, err := o.client.InsertTx(ctx, tx, workArgs{Number: number, Note: note}, nil); err != nil {
		return 0, err
	}
	sent := nowUs()
	return sent, tx.Commit(ctx)
}

func (o *openRiver) bulk(ctx context.Context, jobs int) error {
	for from := 0; from < jobs; from += 1000 {
		some := make([]river.InsertManyParams, 0, 1000)
		for number := from; number < min(from+1000, jobs); number++ {
			some = append(some, river.InsertManyParams{Args: workArgs{Number: number, Note: note}})
		}
		if _, err := o.client.InsertManyFast(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (o *openRiver) work(ctx context.Context, seen *seen, _ bool) (func(), error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{seen: seen})
	client, err := river.NewClient(riverpgxv5.New(o.pool), &river.Config{
		FetchCooldown:     2 * time.Millisecond,
		FetchPollInterval: 20 * time.Millisecond,
		Logger:            logger(),
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2_000}},
		Workers:           workers,
	})
	if err != nil {
		return nil, err
	}
	if err := client.Start(ctx); err != nil {
		return nil, err
	}
	return func() {
		ending, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_ = client.Stop(ending)
	}, nil
}

// logger writes errors to standard error: by itself River writes to standard output, where the answers go.
func logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}
