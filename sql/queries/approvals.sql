-- What waits for a person's word.

-- name: ask(kind, task, mode, version, step, headline, evidence, within, default_answer)!
-- A question is asked once; that a rule changed since moves no time-out.
INSERT INTO approvals (kind, task, mode, version, step, headline, evidence, answer_by, default_answer)
VALUES (:kind, :task, :mode, :version, :step, :headline, CAST(:evidence AS jsonb), now() + :within, :default_answer)
ON CONFLICT (task, mode, version, step) DO NOTHING;

-- name: answer_of(task, mode, version, step)$
-- Null while nobody answered and there is time.
SELECT coalesce(is_granted, CASE WHEN answer_by <= now() THEN default_answer END)
FROM approvals
WHERE task = :task AND mode = :mode AND version = :version AND step = :step;

-- name: waiting()
-- Not of versions that have ended, by a rollback perhaps: nobody needs to know any more.
SELECT approval::text AS approval, kind, task, mode, version, step, headline, evidence, asked_at, answer_by, default_answer,
       shown_in
FROM approvals
WHERE answered_at IS NULL AND answer_by > now()
  AND NOT EXISTS (SELECT FROM model_rollouts AS r
                  WHERE r.version = approvals.version AND r.until IS NULL
                    AND r.state IN ('retired', 'rejected', 'rolled_back'))
ORDER BY answer_by, approval;

-- name: take(run)^
UPDATE approvals SET shown_in = :run
WHERE approval = (
    SELECT approval
    FROM approvals
    WHERE answered_at IS NULL AND answer_by > now() AND coalesce(shown_in, :run) = :run
      AND NOT EXISTS (SELECT FROM model_rollouts AS r
                      WHERE r.version = approvals.version AND r.until IS NULL
                        AND r.state IN ('retired', 'rejected', 'rolled_back'))
    ORDER BY shown_in IS NULL, answer_by, approval
    LIMIT 1
    FOR UPDATE SKIP LOCKED)
RETURNING approval::text AS approval, kind, task, mode, version, step, headline, evidence, asked_at, answer_by,
          default_answer;

-- name: shown_in(run)$
SELECT approval::text FROM approvals WHERE shown_in = :run ORDER BY asked_at DESC LIMIT 1;

-- name: show_again()!
UPDATE approvals SET shown_in = NULL WHERE answered_at IS NULL AND shown_in IS NOT NULL;

-- name: answer(approval, is_granted, actor, because)$
SELECT answer_approval(CAST(:approval AS uuid), :is_granted, :actor, :because);

-- name: expire()$
SELECT expire_approvals();

-- name: withdraw(task, mode, version, actor, because)!
-- A version that is not to go on needs no answer any more.
SELECT answer_approval(approval, false, :actor, :because)
FROM approvals
WHERE task = :task AND mode = :mode AND version = :version AND answered_at IS NULL;
