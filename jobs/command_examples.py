"""The examples that the help of each command ends with. A test parses them all."""

EXAMPLES = {
    "init": (
        "longtake init mine",
        "longtake init mine --full",
        "longtake init mine --recipe panda70m",
        "longtake init mine --train mine/out/my-corpus",
        "longtake init mine --train mine/out/my-corpus --preset lfvila-stage1 --gpus 8 --memory 141",
    ),
    "fetch": (
        "longtake fetch mine/corpus.yaml --dry-run --price-per-gb-month 0.02 --megabytes-per-second 50",
        "longtake fetch mine/corpus.yaml",
        "longtake fetch mine/corpus.yaml --retry rate_limited,network",
    ),
    "plan": (
        "longtake plan mine/corpus.yaml",
        "longtake plan lectures out/lectures",
        "longtake plan mine/corpus.yaml --probe packets --price-per-core-hour 0.05",
        "longtake plan mine/corpus.yaml --save-embeddings",
        "longtake plan mine/corpus.yaml --decisions ann.csv --decisions bob.csv --on-conflict strictest",
    ),
    "diff": ("longtake diff mine/out/my-corpus/plan edited-plan",),
    "doctor": (
        "longtake doctor mine/corpus.yaml",
        "longtake doctor gs://bucket/mine/corpus.yaml -- --runner=FlinkRunner --flink_master=localhost:8081 --parallelism=4",
    ),
    "build": (
        "longtake build mine/corpus.yaml",
        "longtake build lectures out/lectures",
        "longtake build mine/corpus.yaml --plan edited-plan --workers 4",
        "longtake build mine/corpus.yaml --decisions mine/out/my-corpus/decisions.csv --overwrite",
        "longtake build gs://bucket/mine/corpus.yaml --dry-run -- --runner=DataflowRunner --project=my-project",
    ),
    "verify": (
        "longtake verify mine/out/my-corpus",
        "longtake verify gs://bucket/mine/out/my-corpus --sample 1000",
        "longtake verify mine/out/my-corpus --sources --sample 200 --config mine/corpus.yaml",
    ),
    "status": ("longtake status mine/out/my-corpus", "longtake status gs://bucket/mine/out/my-corpus --json"),
    "show": ("longtake show out/demo", "longtake show out/demo mammals --output sample.png"),
    "explain": ("longtake explain mine/corpus.yaml VIDEO_ID --picture explain.png",),
    "clean": ("longtake clean mine/out/my-corpus",),
    "train": (
        "longtake train mine/train.yaml",
        "longtake train mine/train.yaml --resume",
        "longtake train mine/train.yaml --resume --extend --set steps=20000",
        "torchrun --nproc-per-node=8 -m longtake.jobs.cli train mine/train.yaml",
    ),
    "evaluate": ("longtake evaluate mine/run mine/out/my-corpus --split train",),
    "embed": ("longtake embed mine/run mine/out/my-corpus --output vectors.parquet",),
    "retry": (
        "longtake retry out/demo",
        "longtake retry out/demo --reason timeout,decoder_crashed",
        "longtake retry out/mine --config mine/corpus.yaml --reason missing",
    ),
    "curate": (
        "longtake curate out/demo --policy policy.yaml --dry-run",
        "longtake curate gs://bucket/corpus --policy policy.yaml -- --runner=FlinkRunner",
    ),
    "takedown": (
        'longtake takedown out/demo --videos ids.txt --note "request 2031 of the owner"',
        "printf 'last-man\\n' | longtake takedown out/demo --videos -",
        "longtake takedown out/demo --videos ids.txt --with-duplicates --request 2031 --received 2026-11-20",
        "longtake takedown out/demo --decisions out/demo/decisions.csv",
        "longtake takedown gs://bucket/corpus --videos ids.txt --ignore-unknown -- --runner=FlinkRunner",
    ),
    "audit": (
        "longtake audit out/demo",
        "longtake audit out/demo --config examples/demo/corpus.yaml --evaluation youcook2=yc2_ids.txt",
        "longtake audit mine/out/my-corpus --sample 200 --seed 7 --accept 0.02",
        "longtake audit mine/out/my-corpus --policy policy.yaml",
        "longtake audit mine/out/version-2 --compare mine/out/version-1",
        "longtake audit gs://bucket/corpus --frames all -- --runner=FlinkRunner",
    ),
    "map": (
        "longtake map out/demo",
        "longtake map mine/out/my-corpus --embeddings vectors.parquet --by frames --topics 40",
    ),
    "browse": (
        "longtake browse out/demo",
        "longtake browse out/demo --config examples/demo/corpus.yaml",
        "longtake browse mine/out/my-corpus --curator Ann --embeddings vectors.parquet",
        "longtake browse gs://bucket/corpus --decisions ann.csv --host 0.0.0.0 --token-file token.txt",
    ),
    "queues": (
        "longtake queues out/demo --to Ann --to Bob --size 200 --double 0.1 --seed 7",
        "longtake queues out/demo --name dark --by score_black,language --to Ann --size 100",
        "longtake queues out/demo --name again --by least-agreed --to Eve",
        "longtake queues out/demo",
    ),
    "curators": (
        "longtake curators out/demo --add Ann",
        "longtake curators out/demo --add Eve --adjudicates",
        "longtake curators out/demo --revoke Ann",
        "longtake curators out/demo",
    ),
    "decisions": (
        "longtake decisions out/demo/decisions.csv",
        "longtake decisions ann.csv bob.csv --output both.csv",
        "longtake decisions gs://bucket/corpus/decisions.csv bob.parquet --on-conflict latest --json",
    ),
    "card": ("longtake card out/demo", "longtake card out/demo --edit"),
    "attest": (
        "longtake attest out/demo --who ann@example.org --key ~/.ssh/id_ed25519",
        "longtake attest out/demo --verify --signers allowed_signers",
    ),
    "removals": (
        "longtake removals out/demo",
        "longtake removals out/demo out/demo-version-1 gs://bucket/mirror",
    ),
    "search": (
        'longtake search "Jane Doe" out/demo out/demo-version-1',
        'longtake search "the channel" out/demo --videos | longtake takedown out/demo --videos - --request 2031',
    ),
    "merge": (
        "longtake merge out/lectures out/films --output out/both",
        "longtake merge out/lectures out/films out/news --output out/all --name all --samples 512",
    ),
    "publish": (
        "longtake publish out/demo hf://datasets/me/demo",
        "longtake publish out/demo hf://datasets/me/demo --yes --private",
        "longtake publish out/demo gs://bucket/demo --yes --accept-licences",
    ),
    "reshard": (
        "longtake reshard out/demo --samples 1024",
        "longtake reshard out/demo --split train=0.9,val=0.1",
        "longtake reshard out/demo",
    ),
}


def epilog(command: str) -> str:
    """Return the examples of a command for its help, each a paragraph."""
    return "\n\n".join(("Examples:", *EXAMPLES[command]))
