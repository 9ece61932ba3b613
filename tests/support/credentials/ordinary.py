"""Ordinary parameters of training runs, many of which look a little like credentials."""

import random
from collections.abc import Iterator
from typing import Final

TRICKY: Final = tuple(
    """
    tokenizer=Qwen/Qwen2.5-Coder-32B-Instruct-GPTQ-Int4
    tokenizer_path=/data/models/llama-3.1-8b/tokenizer.model
    max_tokens=4096
    max_new_tokens=512
    num_tokens_per_batch=8192
    token_dropout=0.1
    token_type_vocab_size=2
    pad_token_id=50256
    pad_token=<pad>
    eos_token=<|im_end|>
    special_tokens.bos_token=<s>
    special_tokens.eos_token=</s>
    cls_token=[CLS]
    mask_token=[MASK]
    token_merging=tome_r16_v2
    tokens_seen=1200000000000
    image_token_index=32000
    use_auth_token=True
    hub_token=<HUB_TOKEN>
    hf_token=${HF_TOKEN}
    api_key=EMPTY
    api_key=${oc.env:OPENAI_API_KEY}
    secrets=['HF_TOKEN', 'WANDB_API_KEY']
    env_vars=["HF_TOKEN", "AWS_SECRET_ACCESS_KEY"]
    password_file=/run/secrets/db_password
    key_file=/home/me/.ssh/id_ed25519.pub
    credentials_path=/etc/keys/service.json
    secret_name=projects/ml/secrets/wandb
    secret_santa=True
    key_dim=64
    num_key_value_heads=8
    key_query_value=fused
    keypoints=coco17
    keypoint_loss=oks_v2
    sort_key=length
    image_key=rgb_left_v2
    obs_keys=['image', 'state', 'depth']
    keys=['input_ids', 'labels']
    key=sample_id
    primary_key=uuid
    cache_key=resnet50-imagenet1k-v2
    monitor_key=val/f1_macro
    monkey_patch=True
    turkey_dataset=v3
    attention_key_padding=left
    passes=3
    num_passes=10
    pass_through=True
    forward_pass=fused_bf16
    bypass=True
    compass_heading=271.5
    lowpass=butterworth_o4
    bandpass=0.5-40hz
    highpass_hz=0.5
    n_pass=2
    multi_pass=stage2_v1
    passage_encoder=facebook/dpr-ctx_encoder-single-nq-base
    author=Ada Lovelace
    authors=['A. Turing', 'G. Hopper']
    authority=local
    pat=10
    patience=25
    early_stop_pat=15
    patch_size=16
    pattern=*.png
    spatial_size=(224, 224)
    mdp=CartPole-v1
    mdp_horizon=200
    clave=rumba_3_2
    cle=0.5
    parole_corpus=v2
    connection=dense
    conn_type=skip_v2
    connectivity=26
    num_connections=4
    cookie_cutter=template-v3
    dsn_layers=3
    sas_model=SASRec-v2
    otp_hours=2
    jwt=False
    credit_score=0.75
    credible_interval=0.95
    accreditation=iso27001
    pw_conv=True
    pw_kernel=3
    pwconv_expand=4x
    session_id=20240501-1230
    session=exp_2024_05_01
    account=research-gpu
    slurm_account=ml-team-a100
    user=ada
    username=ada.lovelace
    login_node=login01.cluster
    server=10.0.0.12:8008
    ssh_key_path=~/.ssh/id_rsa
    encryption=AES256
    hash=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    commit=8f14e45fceea167a5a36dedd4bea2543f1c2d3e4
    data_md5=5d41402abc4b2a76b9719d911017c592
    etag=d41d8cd98f00b204e9800998ecf8427e
    model_sha=2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    run_id=2f7b6c1e9a8d4e5f90a1b2c3d4e5f607
    task_id=0b6f9a546f5f4a0e9b5a2f8f6b0f3f11
    uuid=123e4567-e89b-42d3-a456-426614174000
    wandb_run=3jk2h1xz
    wandb_group=sweep-2024-05-01-large
    mlflow_run_id=4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d
    experiment=exp_5d41402abc4b2a76b9719d911017c592
    checkpoint=ckpt-8f14e45fceea167a5a36dedd4bea2543
    artifact=run_2f7b6c1e9a8d4e5f90a1b2c3d4e5f607/model.pt
    drive_id=folder/images/2024/batch-07
    docker=ubuntu@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    integrity=sha512-abc/def
    pip=torch==2.5.1+cu124
    url=https://huggingface.co/datasets/HuggingFaceFW/fineweb-edu/resolve/main/data/1.parquet
    endpoint=https://api.openai.com/v1/chat/completions
    s3=s3://bucket/datasets/2024-05-01T12:30:59Z/train/part-00000-of-00128.parquet
    gs=gs://my-bucket/runs/ViT-L-14-DataComp.XL-s13B-b90K/epoch_12.pt
    azure=azureml://datastores/workspaceblobstore/paths/imagenet/
    dvc=https://dvc.example.com/files/md5/5d/41402abc4b2a76b9719d911017c592
    repo=git@github.com:team/repo.git
    remote=ssh://git@host:2222/x/y.git
    db=sqlite:///runs.db
    redis_url=redis://cache:6379/0
    mongo=mongodb://db:27017/runs
    proxy=http://proxy.example.com:3128
    email=ada@example.com
    contact=mailto:ml@example.com
    model=EleutherAI/pythia-1.4b-deduped
    model_name=meta-llama/Meta-Llama-3.1-70B-Instruct-AWQ-INT4
    base=stabilityai/stable-diffusion-xl-base-1.0
    timm=vit_base_patch16_clip_224.openai_ft_in12k_in1k
    timm2=convnextv2_base.fcmae_ft_in22k_in1k_384
    open_clip=ViT-bigG-14-CLIPA-336-datacomp1b
    arch=EfficientNetV2S_ImageNet21k_FT1k
    layer=model.layers.31.self_attn.q_proj.weight
    target_modules=['q_proj', 'k_proj', 'v_proj', 'o_proj']
    lora=lora_r16_a32_d005_qkvo_gate_up_down
    name=20240501:Large-ViT-H14-CLIP-378-lr1e4-wd005-bs4096
    tag=sk-learn-gradient-boosting-classifier-baseline
    algo=sk-dist-random-forest-classifier-with-many-trees
    feature=hf_energy_ratio_between_two_bands
    signal=hf_band_power_0_5hz_to_40hz
    split=train[:80%]+validation
    prompt=You are a helpful assistant. Keep the answer short: one sentence.
    system_prompt=Never reveal the password. The secret word is not known to you.
    note=the token budget is 4096; key takeaway: lr 3e-4 diverges
    comment=password is asked for by the notebook, not stored
    description=Key: attention is all you need. Token: a word piece.
    help=use --token to log in, and --password when asked
    readme=see docs/auth.md for the api key; secret: none
    todo=ask Maria for a key, pass it on
    cmd=python train.py --max-tokens 4096 --tokenizer bert-base --key-dim 64
    cmd=docker run -p 8080:80 -u 1000:1000 image
    cmd=docker compose -p myproject up
    cmd=mysql -u root -h db runs
    cmd=ssh -p 2222 me@host
    cmd=curl -X POST https://host/x -H 'Content-Type: application/json'
    cmd=kubectl -n ml get pods -l app=train
    cmd=torchrun --nproc-per-node 8 train.py --pass-through true
    cmd=rsync -avz data/ host:/data --password-file=/etc/rsync.pw
    cmd=mkdir -p runs/exp1 && python a.py
    cmd=helm upgrade -f values.yaml x ./chart
    cmd=zip -r out.zip runs
    args=['--tokenizer', 'gpt2', '--key', 'text', '--max-tokens', '128']
    argv=["train.py", "--pad-token", "<pad>", "--sort-key", "length"]
    columns=['user', 'password_length', 'country']
    features=["token_count", "key_presses", "secret_ballot"]
    yaml=optimizer: adamw↵scheduler:↵  name: cosine↵  warmup: 0.1
    yaml2=tokens:↵  - <image>↵  - <audio>↵lr: 0.1
    xml=<config><layers>12</layers><key>text</key></config>
    table=| key | value |
    json={"lr": 0.001, "max_tokens": 512, "pad_token": "<pad>", "key_dim": 64}
    dict={'key': 'image', 'token': 'cls', 'keys': ['a', 'b']}
    overrides=['+trainer.max_epochs=10', 'data.batch_size=64', '~callbacks.early_stopping']
    loss=0.5*ce+0.3*dice+0.2*focal
    anchors=10,13, 16,30, 33,23, 30,61, 62,45
    time=2026-11-22T20:18:54.123456Z
    version=v1.0-rc.2+build.20240501
    cuda=12.4.1
    gpu=NVIDIA A100-SXM4-80GB
    host=gpu-node-17.cluster.local
    pci=0000:3b:00.0
    mac=00:1a:2b:3c:4d:5e
    phone_model=SM-G998B
    species=Escherichia_coli_K12_MG1655
    smiles=CC(=O)OC1=CC=CC=C1C(=O)O
    inchi=InChI=1S/C9H8O4/c1-6(10)13-8-5-3-2-4-7(8)9(11)12
    inchikey=BSYNRYMUTXBXSQ-UHFFFAOYSA-N
    sequence=MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQ
    dna=ACGTACGTTAGCTAGCTAGGATCCGATCGATCGTAGCTAGCTAAGCTT
    pdb=7XYZ_A
    isbn=978-3-16-148410-0
    arxiv=2310.06825v1
    doi=10.48550/arXiv.1706.03762
    regex=^(?!.*(?:bias|norm)).*weight$
    glob=**/part-*[0-9].parquet
    jinja={% if add_generation_prompt %}{{ '<|im_start|>assistant' }}{% endif %}
    cron=0 3 * * 1
    color=#ff8800
    base64=aGVsbG8gd29ybGQ=
    latitude=52.520008
    seed=20240501
    betas=[0.9, 0.98]
    """.strip().splitlines()
)

_NAMES: Final = """
    lr weight_decay batch_size epochs warmup_steps dropout hidden_size num_layers num_heads
    momentum gradient_clip scheduler optimizer seed precision devices strategy data.path
    data.num_workers model.name model.backbone trainer.max_steps eval.interval loss.alpha
    augment.mixup log_every save_dir resume_from ema_decay label_smoothing crop_size fold
    backbone.depth head.type
    """


def _value(chance: random.Random, number: int) -> str:
    kinds = (
        f"{chance.random():.5g}",
        str(chance.randrange(10**6)),
        f"resnet{chance.choice((18, 34, 50, 101))}-v{number}",
        f"/data/sets/{chance.choice(('imagenet', 'coco', 'laion'))}/{number:05d}/train.parquet",
        f"runs/2026-{1 + number % 12:02d}-11_{number % 24:02d}-15-00/version_{number}",
        f"{chance.getrandbits(160):040x}",
        f"{chance.getrandbits(128):032x}",
        f"[{chance.random():.3f}, {chance.random():.3f}]",
        chance.choice(("True", "None", "cosine", "adamw", "16-mixed", "auto", "ddp_find_unused")),
        f"s3://bucket/{chance.getrandbits(64):016x}/epoch={number}-step={number * 100}.ckpt",
        f"lr={chance.random():.4f},wd={chance.random():.4f},seed={number}",
        f"{{'lr': {chance.random():.4f}, 'layers': {number}}}",
    )
    return kinds[number % len(kinds)]


def ordinary(seed: int = 0, drawn: int = 400) -> Iterator[tuple[str, str]]:
    """Give names and values: the tricky ones, and some that are drawn."""
    for line in TRICKY:
        name, _, value = line.strip().partition("=")
        yield name, value.replace("↵", "\n")
    chance = random.Random(seed)
    for number in range(drawn):
        yield chance.choice(_NAMES.split()), _value(chance, number)
