"""More ordinary parameters, written after the rules: what looks like a key, and is not one."""

import random
from collections.abc import Iterator
from typing import Final

LATER_TRICKY: Final = tuple(
    """
    secret_sauce=true
    secret_sauce_recipe=mixup_then_cutmix
    password_policy=strict
    password_hint_model=bert-tiny
    key_frames=[0, 12, 48]
    key_bpm=C#minor_128
    keyboard=qwerty
    auth_mode=kerberos
    auth_enabled=false
    author_email=ada@example.com
    cookie_consent_text=accepted
    cookies_dataset=oreo-v2
    tokenized_path=/data/tok/c4_en_8k.bin
    token_budget=2.5e12
    token_mixer=poolformer_s12
    think_token=<think>
    tool_call_token=<tool_call>
    vision_start_token=<|vision_start|>
    fim_prefix_token=<fim_prefix>
    boi_token=<start_of_image>
    bos_token_id=128000
    stop_token_ids=[128001, 128009]
    pass_at_k=10
    pass_at_1=0.82
    pass@1=0.82
    fail_pass=2x
    two_pass=shared_v2
    first_pass=greedy4
    pass_threshold=0.75
    passband=20hz-8khz
    mnemonic_encoder=phoneme_v2
    salt_bridge_cutoff=4.0
    salt=NaCl
    seed_words=cat, dog
    credit_card_fraud_dataset=creditcard.csv
    recovery_phrase_model=t5-small
    secret_key_length=256
    public_key=none
    private_dataset=true
    api_version=2024-02-01
    api_base=https://llm.example.com/v1
    access_pattern=sequential_2
    session_length=30
    otp_dropout=0.1
    pin_memory=True
    pin=12
    user=svc-train
    login=ada
    doi=10.5281/zenodo.7347926
    doi2=https://doi.org/10.1038/s41586-021-03819-2
    issn=1476-4687
    orcid=0000-0002-1825-0097
    wikidata=Q42
    commit=v2.5.1-14-g8f14e45fceea
    git_sha=f1d2d2f924e986ac86fdf7b36c94bcdf32beec15
    git_describe=release_2026_11-3-gabc1234-dirty
    dataset_id=64b1f0c2e13f4a0012ab34cd
    dataset=ds_64b1f0c2e13f4a0012ab34cd
    model_id=m-2f7b6c1e9a8d4e5f90a1b2c3d4e5f607
    trace_id=tr-4bf92f3577b34da6a3ce929d0e0e4736
    traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
    wandb_run_path=team/proj/3jk2h1xz
    wandb_artifact=model-3jk2h1xz:v12
    optuna_study=study_5d41402abc4b2a76b9719d911017c592
    ray_trial=train_fn_7f3a2_00012_12_lr=0.0010,wd=0.0100
    slurm_job=4711_12
    pod=trainer-7d9c5b6f8d-x2k4q
    container=9f86d081884c
    node=ip-10-0-12-34.eu-west-1.compute.internal
    instance=i-0abcdef1234567890
    ami=ami-0c55b159cbfafe1f0
    subnet=subnet-0bb1c79de3EXAMPLE
    arn=arn:aws:sagemaker:eu-west-1:123456789012:training-job/exp-2026-11-22
    role=arn:aws:iam::123456789012:role/TrainingRole
    image_uri=123456789012.dkr.ecr.eu-west-1.amazonaws.com/train:2026-11-22
    digest=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    sri=sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC
    file=model_9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.safetensors
    cache=/root/.cache/huggingface/hub/models--gpt2/blobs/9f86d081884c7d659a2feaa0c55ad015
    cache_key=tokenized-c4-9f86d081884c7d659a2feaa0c55ad015
    weights=resnet50-11ad3fa6.pth
    weights2=vit_base_p16_224_in21k-8b2f1e3a9c7d4f5e6a7b8c9d0e1f2a3b.pth
    torch_hub=facebookresearch/dinov2:main
    hf_revision=refs/pr/12
    s3=s3://bucket/exp/9f86d081884c7d65/part-00001-2f7b6c1e-9a8d-4e5f-90a1-b2c3d4e5f607.parquet
    gcs=gs://bucket/imagenet/train-00001-of-01024
    wasb=wasbs://data@account.blob.core.windows.net/train
    abfs=abfss://data@account.dfs.core.windows.net/x
    mlflow_uri=http://mlflow.example:5000
    jdbc=jdbc:postgresql://db:5432/runs
    sqlalchemy=postgresql+psycopg2://db/runs
    odbc=Driver={ODBC Driver 18};Server=db;Trusted_Connection=yes
    es=http://es.example:9200/index-2026.11
    endpoint=localhost:6006
    master_addr=node01:29500
    hosts=node01:8,node02:8
    topology=node01:29500:nccl:rank0:world8
    affinity=0:1:2:3:4
    timerange=12:30:59:000:999
    ratio=1:2:4:8:sum
    bbox=10:20:30:40:person
    cron=*/5 * * * *
    cmd=python train.py -u run7 -p 8080
    cmd=docker run -u 1000 -p 6006:6006 tensorboard
    cmd=srun -u --pty -p gpu bash
    cmd=ssh -p 2222 ada@login01
    cmd=nohup python -u train.py -p configs/a.yaml
    cmd=rsync -e 'ssh -p 2222' a b
    cmd=git commit -a -m "pass keys to the decoder"
    cmd=echo done | tee log.txt
    cmd=echo 3 | sudo tee /proc/sys/vm/drop_caches
    cmd=mysql --user me --database runs
    cmd=mpirun -np 8 -x NCCL_DEBUG=INFO python a.py
    cmd=kubectl create secret generic db --from-file=password.txt
    cmd=vault kv get secret/db
    cmd=accelerate launch --num_processes 8 --main_process_port 29501 sft.py
    cmd=python a.py --token-type char --key-size 64 --auth none
    cmd=python a.py --user ada --pass-through v2
    yaml=model:↵  secret_dim: 64↵  keys: [a, b]
    yaml=tokenizer:↵  pad_token: <pad>↵  eos_token: </s>
    yaml=credentials:↵  user: ada↵  region: eu-west-1↵  file: /etc/keys/a.json
    yaml=secrets:↵  provider: vault↵  path: ml/prod/wandb↵  enabled: true
    yaml=auth:↵  type: oidc↵  enabled: true
    yaml=keys:↵  - input_ids↵  - attention_mask
    yaml=tokens:↵  train: 1200000000↵  eval: 5000000
    yaml=data:↵  train: c4_v3.1↵  rev: 9f86d081884c
    toml=[tool.secrets]↵baseline = ".secrets.baseline"
    toml=[auth]↵enabled = false
    toml=[tokens]↵pad = "<pad>"
    json={"keys": {"image": "rgb_v2", "state": "proprio7"}}
    json={"token": {"type": "bpe", "size": 32000}}
    json={"secrets": {"manager": "vault", "mount": "kv"}}
    json={"auth": {"method": "iam", "region": "eu-west-1"}}
    py=dict(user='ada', lr=0.1, keys=('a', 'b'))
    py=TrainConfig(max_tokens=4096, pad_token='<pad>', key_dim=64)
    xml=<token>mask</token><key>score</key>
    text=the user may pass a key of the dict
    text=User ada passed the test
    text=users pass 3 checkpoints
    text=to create secret santa pairs, call draw("names")
    text=seed phrase detection is out of scope
    text=echo state network | reservoir
    text=cookies: none were set
    price=$5$ per hour and $2$ per GB
    latex=$6\\cdot 10^{23}$
    latex2=$y=\\alpha_1 x + \\beta_2$ and $1$ else $2x$
    env=$HOME/data:$SCRATCH
    smiles=CC(C)Cc1ccc(cc1)C(C)C(=O)O
    smiles2=C1=NC2=C(N1)C(=O)N=C(N2)N
    peptide=AC-SDKP-NH2
    primer=GATTACAGATTACAGATTACAGATTACA
    uniprot=P0DTD1.NSP12
    genome=GCF_000001405.40
    transcript=ENST00000380152.8
    rsid=rs7903146
    pdbs=['6LU7', '7BV2']
    casrn=58-08-2
    material=mp-1143
    ticker=BRK.B
    isin=US0378331005
    iban_dataset=iban-synth-v2
    phone=+49 30 901820
    vin=1HGCM82633A004352
    sku=AB12-CD34-EF56
    license=Apache-2.0
    license_key=apache-2.0
    gpu_uuid=GPU-2f7b6c1e-9a8d-4e5f-90a1-b2c3d4e5f607
    mig=MIG-GPU-2f7b6c1e-9a8d-4e5f-90a1-b2c3d4e5f607/1/0
    nvlink=NV12
    driver=550.54.15
    compute_cap=sm_90a
    kernel=5.15.0-105-generic
    wheel=flash_attn-2.5.8+cu122torch2.3cxx11abiFALSE-cp311-cp311-linux_x86_64.whl
    conda=py311_cu124_torch251
    conda_hash=pytorch-2.5.1-py3.11_cuda12.4_cudnn9.1.0_0
    lora=lora-r64-a128-d0.05-q_k_v_o_gate_up_down
    unet=UNet2DConditionModel_v1_5_EMAonly_fp16
    clip=ViT-H-14-378-quickgelu.dfn5b
    quant=Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf
    gptq=TheBloke/Mixtral-8x7B-Instruct-v0.1-GPTQ
    exl2=8.0bpw-h8-exl2
    arch=EfficientNetB7NoisyStudentImageNet21kPretrained
    search=NASNetALarge331x331ImageNetSwish
    scene=Replica-CAD_apt_0_v3
    drive=1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms
    youtube=dQw4w9WgXcQ
    colab=https://colab.research.google.com/drive/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs
    tb=events.out.tfevents.1700000000.node01.4711.0
    ts=2026-11-22T20-18-54.123456
    ulid=01ARZ3NDEKTSV4RRFFQ69G5FAV
    ksuid=run 0ujsswThIGTUYm2K8FjOOfXtY1K
    nanoid=V1StGXR8_Z5jdHi6B-myT
    shortuuid=run-mhvXdrZT4jP5T8vBxuvm75
    b64=iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk
    data_uri=data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA
    geohash=u33dc0cpnn9y
    h3=8928308280fffff
    mgrs=33UXP0500444998
    """.strip().splitlines()
)

_NAMES: Final = """
    beta gamma rank_id parent_run base_model adapter prompt_template revision data.hash data.sha256
    dataset.version dataset.split dataset.id sweep.id sampler.seed image.digest artifact.name
    artifact.path export.file tracking.run_id tracking.experiment tokenizer.name tokenizer.revision
    cluster.node cluster.job vocab.file mixture.weights
    """


def _drawn(chance: random.Random, number: int) -> str:
    bits = chance.getrandbits
    word = chance.choice(("run", "exp", "model", "trial", "ckpt", "dataset", "vit", "shard", "img"))
    kinds = (
        f"{word}_{bits(128):032x}",
        f"{word}-{bits(160):040x}",
        f"{word}_{bits(256):064x}.bin",
        f"{bits(32):08x}-{bits(16):04x}-4{bits(12):03x}-8{bits(12):03x}-{bits(48):012x}",
        f"{word}-{bits(32):08x}-{number}",
        f"sha256:{bits(256):064x}",
        f"{word}_{chance.random():.4f}_lr{chance.random():.1e}_bs{2 ** (number % 12)}",
        f"s3://models/{word}/{bits(64):016x}/{bits(128):032x}/weights.pt",
        f"{word}/{bits(28):07x}@{bits(160):040x}",
        f"{chance.random() * 1e9:.6f}",
        f"{word}:{number}:{chance.randrange(9)}:{chance.randrange(99)}:{chance.random():.3f}",
        f"ghcr.io/team/{word}:{bits(28):07x}",
    )
    return kinds[number % len(kinds)]


def ordinary_later(seed: int = 0, drawn: int = 450) -> Iterator[tuple[str, str]]:
    """Give names and values: the tricky ones, and some that are drawn."""
    for line in LATER_TRICKY:
        name, _, value = line.strip().partition("=")
        yield name, value.replace("↵", "\n")
    chance = random.Random(seed)
    for number in range(drawn):
        yield chance.choice(_NAMES.split()), _drawn(chance, number)
