# The peers of plan.py: the same join and merge as a DuckDB and as a polars script, without a ledger, trimming of overlaps, or checks.
# Kept as an engineer of this team wrote them in an hour.
# ruff: noqa
# fmt: off
"""Floor of planning: HD-VILA metadata + text join, contiguous merge, plan parquet. DuckDB version and polars version. 1 thread."""
import sys, time, resource, os, json
t0=time.process_time(); w0=time.perf_counter()
which, folder, out, gap, most, least, maxdur = sys.argv[1], sys.argv[2], sys.argv[3], 2000, 16, 4, 10**9
cfg=json.loads(os.environ.get("PLANCFG","{}")); gap=cfg.get("gap",gap); most=cfg.get("most",most); least=cfg.get("least",least)
def report(n,kept,clips,start):
    r=resource.getrusage(resource.RUSAGE_SELF)
    cpu=r.ru_utime+r.ru_stime-start
    print(json.dumps(dict(which=which,sentences=n,kept=kept,clips=clips,cpu=round(cpu,2),wall=round(time.perf_counter()-w1,2),rate=round(n/cpu),peak_mb=r.ru_maxrss//1024)))
if which=="duckdb":
    import duckdb
    w1=time.perf_counter(); r=resource.getrusage(resource.RUSAGE_SELF); start=r.ru_utime+r.ru_stime
    c=duckdb.connect(); c.execute("set threads=1; set preserve_insertion_order=false")
    ms=lambda x:f"(cast(substr({x},1,2) as int)*3600000+cast(substr({x},4,2) as int)*60000+cast(substr({x},7,2) as int)*1000+cast(substr({x},10,3) as int))"
    c.execute(f"""create temp table s as
      with v as (select video_id,url,unnest(clip) as c from read_json('{folder}/metadata.jsonl',columns={{video_id:'varchar',url:'varchar',clip:'struct(clip_id varchar, span varchar[])[]'}},format='newline_delimited')),
      m as (select video_id,url,c.clip_id as clip_id,{ms('c.span[1]')} as start_ms,{ms('c.span[2]')} as end_ms from v),
      t as (select clip_id,text from read_json('{folder}/text.jsonl',columns={{clip_id:'varchar',text:'varchar'}},format='newline_delimited'))
      select m.*,t.text from m join t using (clip_id)""")
    n=c.execute("select count(*) from s").fetchone()[0]
    c.execute(f"""create temp table r as
      with o as (select *, lag(end_ms) over w as prev, lead(start_ms) over w as nxt from s window w as (partition by video_id order by start_ms,end_ms,clip_id)),
      g as (select * exclude(prev,nxt), sum(case when prev is null or start_ms-prev>{gap} then 1 else 0 end) over (partition by video_id order by start_ms,end_ms,clip_id) as run from o),
      k as (select *, count(*) over (partition by video_id,run) as len, row_number() over (partition by video_id,run order by start_ms)-1 as i from g),
      -- even pieces, larger first
      p as (select *, (len+{most}-1)//{most} as np from k where len>={least}),
      q as (select *, len//np as size, len%np as larger from p)
      select *, case when i < larger*(size+1) then i//(size+1) else larger + (i-larger*(size+1))//size end as piece from q""")
    kept=c.execute("select count(*) from r").fetchone()[0]
    c.execute(f"""copy (
      with a as (select video_id, any_value(url) as url, run, piece, min(start_ms) as start_ms, max(end_ms) as end_ms,
         list({{clip_id:clip_id,start_ms:start_ms,end_ms:end_ms,text:text}} order by start_ms) as sentences,
         string_agg(text,' ' order by start_ms) as paragraph, count(*) as n_sentences from r group by video_id,run,piece)
      select concat(video_id,'-',start_ms,'-',end_ms) as key, 'videos/'||video_id||'.mp4' as uri, *, len(string_split(paragraph,' ')) as n_words,
        flatten(list_transform(sentences, lambda s: list_transform(range(8), lambda k: s.start_ms + ((2*k+1)*(s.end_ms-s.start_ms))//16))) as frame_times_ms,
        hash(video_id) as h from a order by h,start_ms) to '{out}' (format parquet, compression zstd)""")
    clips=c.execute(f"select count(*) from '{out}'").fetchone()[0]
    report(n,kept,clips,start)
else:
    import polars as pl
    w1=time.perf_counter(); r=resource.getrusage(resource.RUSAGE_SELF); start=r.ru_utime+r.ru_stime
    m=pl.read_ndjson(f"{folder}/metadata.jsonl").explode("clip").unnest("clip").with_columns(pl.col("span").list.get(0).alias("a"),pl.col("span").list.get(1).alias("b"))
    def ms(x): 
        c=pl.col(x); i=lambda a,n:c.str.slice(a,n).cast(pl.Int64)
        return i(0,2)*3600000+i(3,2)*60000+i(6,2)*1000+i(9,3)
    m=m.with_columns(ms("a").alias("start_ms"),ms("b").alias("end_ms")).select("video_id","url","clip_id","start_ms","end_ms")
    t=pl.read_ndjson(f"{folder}/text.jsonl")
    s=m.join(t,on="clip_id").sort("video_id","start_ms","end_ms","clip_id")
    n=len(s)
    s=s.with_columns((((pl.col("start_ms")-pl.col("end_ms").shift(1))>gap)|(pl.col("video_id")!=pl.col("video_id").shift(1))).fill_null(True).cum_sum().alias("run"))
    s=s.with_columns(pl.len().over("run").alias("len"),pl.int_range(pl.len()).over("run").alias("i")).filter(pl.col("len")>=least)
    s=s.with_columns(((pl.col("len")+most-1)//most).alias("np")).with_columns((pl.col("len")//pl.col("np")).alias("size"),(pl.col("len")%pl.col("np")).alias("larger"))
    s=s.with_columns(pl.when(pl.col("i")<pl.col("larger")*(pl.col("size")+1)).then(pl.col("i")//(pl.col("size")+1)).otherwise(pl.col("larger")+(pl.col("i")-pl.col("larger")*(pl.col("size")+1))//pl.col("size")).alias("piece"))
    kept=len(s)
    s=s.with_columns(pl.concat_list([pl.col("start_ms")+((2*k+1)*(pl.col("end_ms")-pl.col("start_ms")))//16 for k in range(8)]).alias("ft"))
    g=s.group_by("run","piece",maintain_order=True).agg(pl.first("video_id"),pl.first("url"),pl.min("start_ms"),pl.max("end_ms"),pl.struct("clip_id","start_ms","end_ms","text").alias("sentences"),pl.col("text").str.join(" ").alias("paragraph"),pl.len().alias("n_sentences"),pl.col("ft").explode().alias("frame_times_ms"))
    g=g.with_columns(pl.concat_str(["video_id","start_ms","end_ms"],separator="-").alias("key"),pl.col("paragraph").str.split(" ").list.len().alias("n_words"),pl.col("video_id").hash().alias("h")).sort("h","start_ms")
    g.write_parquet(out,compression="zstd")
    report(n,kept,len(g),start)
